// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <queue>

#include "core/base/error.h"

namespace photon::analysis::simulation {
namespace {

class Fleet {
 public:
  Fleet(std::span<const Request> requests, const FleetConfig& config, StepCosts& costs)
      : requests_(requests),
        config_(config),
        costs_(costs),
        out_(config.record_from, requests.empty() ? 0.0 : requests.back().arrival) {
    constexpr double never = std::numeric_limits<double>::quiet_NaN();
    out_.fates.assign(requests.size(), {never, never, never, never, never});
    replicas_.reserve(config.replicas);
    for (int64_t i = 0; i < config.replicas; ++i) {
      replicas_.emplace_back(config.replica, costs, requests, out_.fates, out_.gaps);
    }
  }

  Outcome run() {
    while (next_ < requests_.size() || !ends_.empty()) {
      double now = std::numeric_limits<double>::infinity();
      if (next_ < requests_.size()) now = requests_[next_].arrival;
      if (!ends_.empty()) now = std::min(now, ends_.top().time);
      advance(now);
    }
    for (const Replica& r : replicas_) {
      const StepSums& s = r.sums();
      out_.steps.busy_seconds += s.busy_seconds;
      out_.steps.row_seconds += s.row_seconds;
      out_.steps.steps += s.steps;
      out_.steps.peak_requests = std::max(out_.steps.peak_requests, s.peak_requests);
      out_.steps.peak_bytes = std::max(out_.steps.peak_bytes, s.peak_bytes);
    }
    return std::move(out_);
  }

 private:
  struct StepEnd {
    double time;
    size_t replica;
    bool operator>(const StepEnd& other) const {
      return time != other.time ? time > other.time : replica > other.replica;
    }
  };

  /// Everything that happens at `now`.
  void advance(double now) {
    if ((++instants_ & 0xFFFF) == 0 && config_.interrupted && config_.interrupted())
      throw Error("interrupted");
    out_.request_seconds += static_cast<double>(in_system_) * (now - last_);
    last_ = now;
    while (!ends_.empty() && ends_.top().time == now) {
      const size_t replica = ends_.top().replica;
      ends_.pop();
      const int64_t finished = replicas_[replica].end_step(now);
      if (finished > 0) out_.end = now;
      in_system_ -= finished;
      done_ += finished;
      ready_.push_back(replica);
    }
    const bool arriving = next_ < requests_.size();
    while (next_ < requests_.size() && requests_[next_].arrival == now) arrive(next_++);
    if (arriving && next_ == requests_.size()) {
      out_.in_flight = in_system_;
      out_.done_by_then = done_;
    }
    for (const size_t replica : ready_) {
      if (!replicas_[replica].idle()) continue;  // named twice
      const double end = replicas_[replica].begin_step(now);
      if (end >= 0.0) ends_.push({end, replica});
    }
    ready_.clear();
  }

  void arrive(size_t request) {
    const ServicePlan plan = costs_.plan(requests_[request]);
    if (plan.prefill_bytes > config_.replica.room_bytes) {
      ++out_.refused;
      return;
    }
    const auto least = std::min_element(replicas_.begin(), replicas_.end(),
                                        [](const auto& a, const auto& b) { return a.load() < b.load(); });
    least->enqueue(static_cast<int64_t>(request), plan);
    ++in_system_;
    if (least->idle()) ready_.push_back(static_cast<size_t>(least - replicas_.begin()));
  }

  std::span<const Request> requests_;
  const FleetConfig& config_;
  StepCosts& costs_;
  Outcome out_;
  std::vector<Replica> replicas_;
  std::priority_queue<StepEnd, std::vector<StepEnd>, std::greater<>> ends_;
  std::vector<size_t> ready_;  // replicas that may begin a step now
  size_t next_ = 0;
  double last_ = 0.0;
  int64_t in_system_ = 0;
  int64_t done_ = 0;
  uint64_t instants_ = 0;
};

}  // namespace

Outcome simulate(std::span<const Request> requests, const FleetConfig& config, StepCosts& costs) {
  if (config.replicas < 1 || config.replicas > most_replicas) {
    throw UsageError(fmt::format("{} replicas; 1 to {} are allowed", config.replicas, most_replicas));
  }
  Outcome outcome = Fleet(requests, config, costs).run();
  if (outcome.refused == std::ssize(requests)) {
    throw Error(
        fmt::format("no request fits: the smallest needs more than the {:.4g} GiB that one replica "
                    "has for caches",
                    config.replica.room_bytes / 0x1p30));
  }
  return outcome;
}

}  // namespace photon::analysis::simulation
