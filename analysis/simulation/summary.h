// SPDX-License-Identifier: Apache-2.0
// What became of the requests of a simulation, in figures: rates over one interval, times and how sure they
// are.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "analysis/simulation/fleet.h"
#include "analysis/simulation/row.h"

namespace photon::analysis::simulation {

/// What a request must not exceed to count as served well. Seconds.
struct Limits {
  static constexpr double none = std::numeric_limits<double>::infinity();
  double ttft = none;   ///< from arrival to first token
  double burst = none;  ///< the longest gap between two bursts
  double token = none;  ///< a token after the first burst, mean of the request
  double total = none;  ///< from arrival to last token

  bool any() const { return ttft < none || burst < none || token < none || total < none; }
};

/// Share of the requests, the first ones, that no percentile counts: the fleet fills up.
inline constexpr double warm_up_share = 0.1;

/// When the requests that percentiles count begin to arrive.
double recorded_from(std::span<const Request> requests);

/// A time from which a fleet's rates are taken, in seconds: from the first arrival to an end, not before the
/// last request was admitted, at which the tokens of the answers done until then are the most a second.
/// Answers that are not done at its end count for nothing: all work for a token that counts lies within.
struct Interval {
  double begin = 0.0;
  double end = 0.0;
};
Interval measured_interval(std::span<const Request> requests, const Outcome& outcome);

/// Fills what follows from the outcome. `unit`: tokens of a decode step, so that a request's first burst has
/// unit - prompt mod unit of them.
void summarize(std::span<const Request> requests, int64_t unit, const FleetConfig& config,
               const Outcome& outcome, const Limits& limits, Row& row);

/// Mean time from arrival to last token of the requests that percentiles count; NaN without one.
double mean_total_seconds(std::span<const Request> requests, const Outcome& outcome);

}  // namespace photon::analysis::simulation
