// SPDX-License-Identifier: Apache-2.0
// What is timed of a request.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/sampling.h"
#include "core/backend/backend.h"

namespace photon::bench {

/// Seconds, one value a sample.
struct PhaseTimes {
  std::vector<double> prefill;
  std::vector<double> decode;
  std::vector<double> ttft;
  std::vector<double> total;       ///< prefill + decode
  std::vector<double> burst_gaps;  ///< of all samples together
  int64_t kv_bytes_planned = 0;    ///< as the model reports them, all rows
  int64_t local_bytes = 0;

  void append(const PhaseTimes& more);
};

using Timings = Samples<PhaseTimes>;

/// Warms up with this request, cut short where it is long, and gives a sampler of it, which `backend` and
/// `model` have to outlive. Its runs throw Error if the model returns another number of rows or tokens than
/// asked, or a time that is negative or not finite: such a row would be nonsense.
Sampler<PhaseTimes> request_sampler(const Backend& backend, InferenceModel& model, GenerationRequest request,
                                    const SamplingRule& rule, const Interrupted& interrupted);

}  // namespace photon::bench
