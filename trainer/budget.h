// SPDX-License-Identifier: Apache-2.0
// How long a run is: a budget in steps, tokens or FLOPs, for the run itself or for the model it is matched to
// (PHOTON gives its baselines its own training FLOPs).
#pragma once

#include <cstdint>

#include "core/model/model_spec.h"
#include "trainer/config.h"

namespace photon::trainer {

struct RunLength {
  int64_t steps = 0;
  int64_t tokens_per_step = 0;
  double flops_per_step = 0.0;  ///< of training, by the cost model

  int64_t tokens(int64_t step) const { return step * tokens_per_step; }
  double flops(int64_t step) const { return static_cast<double>(step) * flops_per_step; }
};

/// `matched` is the spec of config.match_model, null without a match. Steps are rounded to the nearest;
/// throws Error if that is none or if the context does not divide by a model's meta-context.
RunLength run_length(const TrainConfig& config, const ModelSpec& spec, const ModelSpec* matched);

}  // namespace photon::trainer
