// SPDX-License-Identifier: Apache-2.0
// The timing loop: one thing is run again and again, after a warm-up until the device's clock stands still,
// and the runs are samples until the median is known or a limit is reached. Runs that power or heat held back
// are left out, as far as there are others. Whoever has a loop of his own takes the runs one by one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bench/statistics.h"
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

/// How samples were taken.
struct Sampled {
  Stop stop = Stop::steady;
  std::string stop_text = "steady";  ///< as the row says it
  int64_t dropped = 0;               ///< runs left out because the device was held back
  std::string held_back_by;          ///< what it was last, in any run
  double clock_before_mhz = 0.0;     ///< after the warm-up; 0 where it cannot be told
  double clock_after_mhz = 0.0;
};

/// Times of samples and how they were taken.
template <class Times>
struct Samples : Times, Sampled {};

/// Takes samples. `Times` holds seconds of a run's parts, a value a sample each: `append` adds those of
/// another, and `total` is what the rule looks at.
template <class Times>
class Sampler {
 public:
  using Run = std::function<std::optional<Times>()>;  ///< empty if interrupted
  struct Taken {
    Times times;
    bool counts = true;  ///< false: left out, as the device was held back
  };

  /// `backend` has to outlive it. To be made after the warm-up.
  Sampler(const Backend& backend, SamplingRule rule, Run run)
      : backend_(&backend), rule_(std::move(rule)), run_(std::move(run)), held_back_(0) {
    restart();
  }

  /// Forgets the runs so far.
  void restart() {
    kept_ = {};
    left_out_ = {};
    held_back_ = HeldBack(rule_.min_samples);
    clock_before_mhz_ = backend_->clock_mhz();
    start_ = std::chrono::steady_clock::now();
  }

  /// One run. Empty if interrupted.
  std::optional<Taken> take() {
    std::optional<Times> times = run_();
    if (!times) return std::nullopt;
    const HeldBack::Answer answer = held_back_.judge(backend_->held_back_by());
    (answer == HeldBack::Answer::keep ? kept_ : left_out_).append(*times);
    if (answer == HeldBack::Answer::keep_all_so_far) kept_.append(left_out_);
    return Taken{std::move(*times), answer != HeldBack::Answer::drop};
  }

  /// Runs until the rule ends them. Empty if interrupted.
  std::optional<Stop> take_all() {
    while (take()) {
      if (const auto stop = enough()) return stop;
    }
    return std::nullopt;
  }

  /// The samples of the runs so far, of which there has to be one.
  Samples<Times> finish(Stop stop) {
    if (held_back_.nothing_kept()) {
      held_back_.keep_all();
      kept_.append(left_out_);
    }
    return {kept_,
            {stop, stop_text(stop, held_back_), held_back_.dropped(), held_back_.by(), clock_before_mhz_,
             backend_->clock_mhz()}};
  }

 private:
  std::optional<Stop> enough() const {
    const auto count = static_cast<int64_t>(kept_.total.size());
    if (count >= rule_.min_samples && relative_error(kept_.total) <= rule_.target_error) return Stop::steady;
    if (held_back_.runs() >= rule_.max_samples) return Stop::samples;
    if (rule_.enough && rule_.enough()) return Stop::time;
    // A run that would end far past the limit is not begun.
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    const double usual = median(kept_.total.empty() ? left_out_.total : kept_.total);
    return spent.count() + 0.5 * usual > rule_.max_seconds ? std::optional(Stop::time) : std::nullopt;
  }

  const Backend* backend_;
  SamplingRule rule_;
  Run run_;
  Times kept_;
  Times left_out_;
  HeldBack held_back_;
  double clock_before_mhz_ = 0.0;
  std::chrono::steady_clock::time_point start_;
};

/// Asked between samples and bursts whether the user wants to end. Empty: never.
using Interrupted = std::function<bool()>;

/// Calls `run` until two readings of the clock in a row are equal within a percent; once where the clock
/// cannot be told. Ends after `most_seconds`, or twenty runs, however restless the clock is.
void warm_up(const Backend& backend, double most_seconds, const std::function<void()>& run,
             const Interrupted& interrupted);

}  // namespace photon::bench
