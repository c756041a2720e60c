// SPDX-License-Identifier: Apache-2.0
// One thing to measure: a model, a workload and how it is generated. A row of the results.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/regime.h"
#include "core/backend/backend.h"
#include "core/model/generation.h"
#include "core/model/model_spec.h"

namespace photon::bench {

struct Case {
  ModelSpec spec;
  std::string checkpoint;  ///< folder; empty for fresh weights
  DType dtype = DType::float32;
  Regime regime;
  Generation generation = Generation::hiergen;
  Schedule schedule = Schedule::streamed;
  int64_t batch = 1;               ///< rows generated together
  int64_t samples_per_prompt = 1;  ///< rows that share a prefill; divides `batch`
  int64_t cache_bytes = 0;  ///< that caches may take where the largest batch is asked for; 0: what fits
};

/// "photon-tiny pf/8 recgen unrolled B=4 N=2": what tells it from its neighbours in a sweep.
std::string describe(const Case& c);

/// Greedy, end of text ignored, prompts uniform over the vocabulary: a function of the seed, and row b of a
/// batch has the same prompt in a larger one.
GenerationRequest request_of(const Case& c, int64_t batch, uint64_t seed);

}  // namespace photon::bench
