// SPDX-License-Identifier: Apache-2.0
// Repeated runs of one request, timed: warm-up until the device's clock stands still, then samples until the
// median is known or a limit is reached. Runs that power or heat held back are left out, as far as there are
// others.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/backend/backend.h"

namespace photon::bench {

struct SamplingRule {
  int64_t min_samples = 5;  ///< before a steady median may end it
  int64_t max_samples = 200;
  double max_seconds = 10.0;   ///< of measuring; ends it after the sample in progress, one is always taken
  double target_error = 0.01;  ///< of the median of prefill + decode, see relative_error
  std::function<bool()> enough = {};  ///< asked after each sample, as max_seconds is; empty: never
};

enum class Stop { steady, samples, time };
std::string_view to_string(Stop stop);

/// Which runs count on a device whose clock is held back now and then. They are left out, until so many are
/// that this is how the device runs the request: once `min_samples` of them outnumber the others, all count,
/// those before as well.
class HeldBack {
 public:
  enum class Answer { keep, drop, keep_all_so_far };

  explicit HeldBack(int64_t min_samples) : min_samples_(min_samples) {}
  /// About the run that just ended; `by` is Backend::held_back_by() now.
  Answer judge(const std::string& by);
  /// For the end of the runs: whether what was left out has to count because nothing else is there.
  bool nothing_kept() const { return kept_ == 0; }
  void keep_all();

  int64_t runs() const { return kept_ + dropped_; }
  int64_t dropped() const { return dropped_; }
  const std::string& by() const { return by_; }       ///< what it was last; empty: nothing was
  bool kept_some() const { return kept_held_back_; }  ///< runs that were held back count

 private:
  int64_t min_samples_;
  int64_t kept_ = 0;
  int64_t dropped_ = 0;
  bool keeps_all_ = false;
  bool kept_held_back_ = false;
  std::string by_;
};

/// The `stop` column: "steady", or "time; held back by power limit" where such runs count.
std::string stop_text(Stop stop, const HeldBack& held_back);
/// ", 3 dropped: power limit"; empty if none were.
std::string dropped_text(int64_t dropped, const std::string& held_back_by);

struct Timings {
  std::vector<double> prefill;  ///< seconds, one a sample
  std::vector<double> decode;
  std::vector<double> ttft;
  std::vector<double> total;       ///< prefill + decode
  std::vector<double> burst_gaps;  ///< of all samples together
  int64_t kv_bytes_planned = 0;    ///< as the model reports them, all rows
  int64_t local_bytes = 0;
  Stop stop = Stop::steady;
  std::string stop_text = "steady";  ///< as the row says it
  int64_t dropped = 0;               ///< runs left out because the device was held back
  std::string held_back_by;          ///< what it was last, in any run
  double clock_before_mhz = 0.0;     ///< after the warm-up; 0 where it cannot be told
  double clock_after_mhz = 0.0;
};

/// Asked between samples and bursts whether the user wants to end. Empty: never.
using Interrupted = std::function<bool()>;

/// Calls `run` until two readings of the clock in a row are equal within a percent; once where the clock
/// cannot be told. Ends after `most_seconds`, or twenty runs, however restless the clock is.
void warm_up(const Backend& backend, double most_seconds, const std::function<void()>& run,
             const Interrupted& interrupted);

/// Empty if interrupted. Throws Error if the model returns another number of rows or tokens than asked, or a
/// time that is negative or not finite: such a row would be nonsense.
std::optional<Timings> sample(const Backend& backend, InferenceModel& model, const GenerationRequest& request,
                              const SamplingRule& rule, const Interrupted& interrupted);

}  // namespace photon::bench
