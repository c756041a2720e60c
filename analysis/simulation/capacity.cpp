// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/error.h"

namespace photon::analysis::simulation {
namespace {

/// The plans of requests that fit, and their means.
class Mix {
 public:
  Mix(std::span<const Request> requests, const ReplicaConfig& config, const StepCosts& costs)
      : config_(config) {
    for (const Request& r : requests) {
      const ServicePlan plan = costs.plan(r);
      if (plan.prefill_bytes <= config.room_bytes) add(plan);
    }
    if (plans_.empty()) {
      throw Error(
          fmt::format("no request fits: the smallest needs more than the {:.4g} GiB that one replica "
                      "has for caches",
                      config.room_bytes / 0x1p30));
    }
  }

  /// Requests that enter and leave the full batch with each step.
  double requests_per_step() const {
    constexpr double unlimited = 0x1p20;  // requests that hold nothing
    double most = std::min(unlimited, std::min(room() / byte_steps_, slots() / steps_) * count());
    if (prefill_units_ > 0.0) {
      most = std::min(most, static_cast<double>(config_.prefill_units) / prefill_units_ * count());
    }
    return most;
  }

  double decode_steps() const { return static_cast<double>(decode_ends_.back()) / count(); }

  /// One row of the `share` of all rows that a batch holds over time, 0 <= share < 1.
  DecodeRow row_at(double share) const {
    const auto step = static_cast<int64_t>(share * static_cast<double>(decode_ends_.back()));
    const auto at = std::upper_bound(decode_ends_.begin(), decode_ends_.end(), step);
    const ServicePlan& plan = plans_[at - decode_ends_.begin()];
    return {plan.shared_units, plan.prompt_units, plan.prompt_units + plan.decode_steps - (*at - step)};
  }

  const std::vector<ServicePlan>& plans() const { return plans_; }

 private:
  double count() const { return static_cast<double>(plans_.size()); }

  void add(const ServicePlan& plan) {
    const double units = static_cast<double>(plan.prompt_units - plan.shared_units);
    const auto budget = static_cast<double>(config_.prefill_units);
    const double prefill_steps = units > 0.0 ? std::max(1.0, units / budget) : 0.0;
    const auto decode_steps = static_cast<double>(plan.decode_steps);
    byte_steps_ += plan.prefill_bytes * prefill_steps + plan.held_bytes * decode_steps;
    steps_ += prefill_steps + decode_steps;
    prefill_units_ += units;
    largest_bytes_ = std::max(largest_bytes_, plan.prefill_bytes);
    squares_ += plan.prefill_bytes * plan.prefill_bytes;
    bytes_ += plan.prefill_bytes;
    plans_.push_back(plan);
    decode_ends_.push_back((decode_ends_.empty() ? 0 : decode_ends_.back()) + plan.decode_steps);
  }

  /// Memory that is in use while requests wait: whole requests, the next of which does not fit.
  double room() const {
    if (bytes_ == 0.0) return std::numeric_limits<double>::infinity();
    const bool alike = largest_bytes_ * count() <= bytes_ * (1.0 + 1e-9);
    if (alike) return largest_bytes_ * std::floor(config_.room_bytes / largest_bytes_);
    // The one that waits is a large one more often than not; half of it is free on average.
    return std::max(largest_bytes_, config_.room_bytes - 0.5 * squares_ / bytes_);
  }

  double slots() const {
    if (config_.most_rows == 0) return std::numeric_limits<double>::infinity();
    return static_cast<double>(std::max<int64_t>(1, config_.most_rows / config_.samples));
  }

  const ReplicaConfig& config_;
  std::vector<ServicePlan> plans_;
  std::vector<int64_t> decode_ends_;  // running sum of decode steps
  double byte_steps_ = 0.0;
  double steps_ = 0.0;
  double prefill_units_ = 0.0;
  double largest_bytes_ = 0.0;
  double squares_ = 0.0;
  double bytes_ = 0.0;
};

/// Mean time of a step of `rows` rows, taken evenly from all rows that a batch holds over time.
double decode_seconds(const Mix& mix, int64_t rows, StepCosts& costs) {
  if (rows == 0) return 0.0;
  constexpr int64_t looked_at = 1 << 16;  // rows
  const int64_t steps = std::clamp<int64_t>(looked_at / rows, 4, 2048);
  std::vector<DecodeRow> batch(static_cast<size_t>(rows));
  double seconds = 0.0;
  for (int64_t s = 0; s < steps; ++s) {
    const double offset = (static_cast<double>(s) + 0.5) / static_cast<double>(steps);
    for (size_t i = 0; i < batch.size(); ++i) {
      batch[i] = mix.row_at((static_cast<double>(i) + offset) / static_cast<double>(rows));
    }
    seconds += costs.step_seconds({}, batch) / static_cast<double>(steps);
  }
  return seconds;
}

/// Prompts one after another, cut where a step's budget ends.
class PromptStream {
 public:
  PromptStream(const Mix& mix, int64_t budget) : mix_(mix), budget_(budget) {}

  /// What a step encodes of the first `entered` prompts.
  std::span<const PrefillPiece> step(int64_t entered) {
    pieces_.clear();
    for (int64_t left = budget_; left > 0 && prompt_ < entered;) {
      const ServicePlan& plan = mix_.plans()[static_cast<size_t>(prompt_) % mix_.plans().size()];
      const int64_t from = std::max(from_, plan.shared_units);
      const int64_t to = std::min(plan.prompt_units, from + left);
      if (to > from) pieces_.push_back({from, to, to == plan.prompt_units});
      left -= to - from;
      encoded_ += static_cast<double>(to - from) / static_cast<double>(std::max<int64_t>(1, units(plan)));
      from_ = to;
      if (to < plan.prompt_units) break;
      if (units(plan) == 0) encoded_ += 1.0;
      from_ = 0;
      ++prompt_;
    }
    return pieces_;
  }

  /// Prompts, parts of one counted as such.
  double encoded() const { return encoded_; }

 private:
  static int64_t units(const ServicePlan& plan) { return plan.prompt_units - plan.shared_units; }

  const Mix& mix_;
  int64_t budget_;
  std::vector<PrefillPiece> pieces_;
  int64_t prompt_ = 0;
  int64_t from_ = 0;  // of this prompt
  double encoded_ = 0.0;
};

/// Mean time that encoding one prompt takes where `arriving` of them enter with a step.
double prefill_seconds(const Mix& mix, double arriving, int64_t budget, StepCosts& costs) {
  const double each = std::max(1.0, arriving);
  const double steps = std::clamp(0x1p16 / each, 8.0, 512.0);
  // Long prompts cost the most, so many of them are needed if they differ.
  const double least = std::min(4096.0, 32.0 * static_cast<double>(mix.plans().size()));
  PromptStream prompts(mix, budget);
  double seconds = 0.0;
  for (double s = 1.0; s <= steps || prompts.encoded() < least; s += 1.0) {
    const auto pieces = prompts.step(static_cast<int64_t>(each * s));
    if (!pieces.empty()) seconds += costs.step_seconds(pieces, {});
  }
  return seconds / prompts.encoded();
}

}  // namespace

double capacity_requests_per_s(std::span<const Request> requests, const ReplicaConfig& config,
                               StepCosts& costs) {
  const Mix mix(requests, config, costs);
  const double per_step = mix.requests_per_step();
  const double rows = per_step * mix.decode_steps();
  const auto whole = static_cast<int64_t>(rows);
  const double rest = rows - std::floor(rows);
  double seconds = (1.0 - rest) * decode_seconds(mix, whole, costs);
  if (rest > 0.0) seconds += rest * decode_seconds(mix, whole + 1, costs);
  seconds += per_step * prefill_seconds(mix, per_step, config.prefill_units, costs);
  return per_step / seconds;
}

}  // namespace photon::analysis::simulation
