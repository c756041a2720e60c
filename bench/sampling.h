// Repeated runs of one request, timed: warm-up, then samples until the median is known or time is up.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "core/backend.h"

namespace photon::bench {

struct SamplingRule {
  int64_t min_samples = 5;  ///< before a steady median may end it
  int64_t max_samples = 200;
  double max_seconds = 10.0;   ///< of measuring; ends it after the sample in progress, one is always taken
  double target_error = 0.01;  ///< of the median of prefill + decode, see relative_error
};

enum class Stop { steady, samples, time };
std::string_view to_string(Stop stop);

struct Timings {
  std::vector<double> prefill;  ///< seconds, one a sample
  std::vector<double> decode;
  std::vector<double> ttft;
  std::vector<double> total;       ///< prefill + decode
  std::vector<double> burst_gaps;  ///< of all samples together
  int64_t kv_bytes_planned = 0;    ///< as the model reports them, all rows
  int64_t local_bytes = 0;
  Stop stop = Stop::steady;
};

/// Asked between samples and bursts whether the user wants to end. Empty: never.
using Interrupted = std::function<bool()>;

/// Empty if interrupted. Throws Error if the model returns another number of rows or tokens than asked, or a
/// time that is negative or not finite: such a row would be nonsense.
std::optional<Timings> sample(InferenceModel& model, const GenerationRequest& request,
                              const SamplingRule& rule, const Interrupted& interrupted);

}  // namespace photon::bench
