// SPDX-License-Identifier: Apache-2.0
// The discrete-event simulation: requests arrive, a router gives each to the replica with the least load,
// replicas step by themselves. Everything that happens at one instant happens before the steps that begin at
// it, so requests that arrive together are batched together.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "analysis/simulation/replica.h"

namespace photon::analysis::simulation {

inline constexpr int64_t most_replicas = 4096;

struct FleetConfig {
  int64_t replicas = 1;
  ReplicaConfig replica;
  double record_from = 0.0;           ///< seconds; gaps that end before are not counted
  std::function<bool()> interrupted;  ///< asked now and then; true ends the simulation with an Error
};

struct Outcome {
  Outcome(double record_from, double record_to) : gaps(record_from, record_to) {}

  std::vector<Fate> fates;  ///< a request; NaN throughout where it was refused
  int64_t refused = 0;      ///< would not fit an empty replica
  int64_t in_flight = 0;    ///< arrived and not done when the last request had arrived
  int64_t done_by_then = 0;
  double end = 0.0;  ///< when the last request was done
  /// Requests in the system (neither refused nor done), integrated over time: Little's law compares it with
  /// the sum of the times that they spent there.
  double request_seconds = 0.0;
  GapRecord gaps;  ///< between two bursts of a request
  StepSums steps;  ///< of all replicas; the peaks are of the one with the highest
};

/// Serves all requests (in order of arrival) to their end. Throws Error if every request is refused,
/// UsageError on a fleet of no or more than most_replicas replicas.
Outcome simulate(std::span<const Request> requests, const FleetConfig& config, StepCosts& costs);

}  // namespace photon::analysis::simulation
