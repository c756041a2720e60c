// SPDX-License-Identifier: Apache-2.0
// One GPU: a queue, and a batch that requests enter and leave between steps (continuous batching, a
// meta-context at a time). A request is admitted, first come first served, when its planned memory is free;
// it is never preempted. A step encodes up to `prefill_units` of the prompts that wait for it, oldest first,
// then decodes one unit of every request whose prompt is encoded.
#pragma once

#include <cstdint>
#include <deque>
#include <iterator>
#include <span>
#include <vector>

#include "analysis/simulation/gap_record.h"
#include "analysis/simulation/step_costs.h"

namespace photon::analysis::simulation {

struct ReplicaConfig {
  double room_bytes = 0.0;    ///< of memory, for what requests hold
  int64_t most_rows = 0;      ///< rows in a batch at most; 0: as memory allows
  int64_t prefill_units = 1;  ///< a step
  int64_t samples = 1;        ///< rows of each request
};

/// What became of a request; times in seconds, NaN where it did not come to that.
struct Fate {
  double admitted;
  double first;        ///< token readable
  double last;         ///< token readable
  double done;         ///< its last step had ended, and its memory was free
  double longest_gap;  ///< between two bursts
};

/// Sums over the steps of a replica.
struct StepSums {
  double busy_seconds = 0.0;
  double row_seconds = 0.0;  ///< rows decoded times the step's length
  int64_t steps = 0;
  int64_t peak_requests = 0;  ///< in the batch
  double peak_bytes = 0.0;
};

class Replica {
 public:
  /// All must outlive the replica. `fates` is indexed by request.
  Replica(const ReplicaConfig& config, StepCosts& costs, std::span<const Request> requests,
          std::span<Fate> fates, GapRecord& gaps)
      : config_(config), costs_(costs), requests_(requests), fates_(fates), gaps_(gaps) {}

  void enqueue(int64_t request, const ServicePlan& plan);
  bool idle() const { return !stepping_; }
  /// Tokens in and out of all requests here, waiting or not.
  int64_t load() const { return load_; }
  /// Starts a step at `now` and gives its end, or a negative number where there is nothing to do.
  double begin_step(double now);
  /// Ends it; gives the number of requests that are done with it.
  int64_t end_step(double now);

  const StepSums& sums() const { return sums_; }

 private:
  struct Waiting {
    int64_t request;
    ServicePlan plan;
  };
  struct Prefilling {
    int64_t request;
    ServicePlan plan;
    int64_t done;  // units
  };
  struct Decoding {
    int64_t request;
    int64_t steps_left;
    int64_t silent_steps;  // of them
    double held_bytes;
    bool emitted;
  };

  void admit(double now);
  void plan_prefill();
  void start_answer(const Prefilling& p, double now);
  /// What the end of a step put out for `d`, if anything; 1 if it came after a gap.
  int64_t emit(Decoding& d, double gap, double now);
  void finish(int64_t request, double held_bytes, double now);
  Fate& fate(int64_t request) { return fates_[request]; }
  int64_t resident() const { return std::ssize(prefilling_) + std::ssize(decoding_); }

  ReplicaConfig config_;
  StepCosts& costs_;
  std::span<const Request> requests_;
  std::span<Fate> fates_;
  GapRecord& gaps_;

  std::deque<Waiting> queue_;
  std::deque<Prefilling> prefilling_;
  std::vector<Decoding> decoding_;
  std::vector<DecodeRow> rows_;       // of decoding_, in its order
  std::vector<PrefillPiece> pieces_;  // of the first of prefilling_
  bool stepping_ = false;
  double step_start_ = 0.0;
  double used_bytes_ = 0.0;
  int64_t load_ = 0;
  int64_t finished_ = 0;  // in this step
  StepSums sums_;
};

}  // namespace photon::analysis::simulation
