// A simulation from end to end: a service, a load and a machine in, rows out; the fewest replicas that keep
// within limits; sums over what became of the requests.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "analysis/simulation/efficiency.h"
#include "analysis/simulation/fleet.h"
#include "analysis/simulation/load.h"
#include "analysis/simulation/row.h"
#include "core/hardware.h"

namespace photon::simulation {

/// What a request must not exceed to count as served well.
struct Limits {
  double ttft = std::numeric_limits<double>::infinity();   ///< seconds from arrival to first token
  double burst = std::numeric_limits<double>::infinity();  ///< the longest gap between two bursts, seconds
};

/// Share of the requests that must be within the limits where the fewest replicas are looked for.
inline constexpr double wanted_share = 0.99;
/// Share of the requests, the first ones, that no percentile counts: the fleet fills up.
inline constexpr double warm_up_share = 0.1;

struct Study {
  Service service;
  Load load;
  std::string prompt_law, answer_law;  ///< as they were written
  Hardware hardware;
  DType dtype = DType::bfloat16;
  bool data_sheet_only = false;
  EfficiencyBand efficiency;
  Limits limits;
  int64_t replicas = 1;   ///< 0: the fewest that keep wanted_share of the requests within the limits
  int64_t most_rows = 0;  ///< of a replica's batch; 0: as memory allows
};

/// One row, or three where the efficiency is a band: low, mid, high. Throws Error where no request fits,
/// where no number of replicas keeps within the limits, and when interrupted.
std::vector<Row> run_study(const Study& study, const Trace* trace, const std::function<bool()>& interrupted);

// The parts of run_study, for whoever runs the fleet on other times.

ModelCosts study_costs(const Study& study, const Efficiency& efficiency, std::span<const Request> requests);
/// When the requests that percentiles count begin to arrive.
double recorded_from(std::span<const Request> requests);
/// A row with what is known beforehand.
Row describe(const Study& study, std::span<const Request> requests);
/// Fills what follows from the outcome. `unit`: tokens of a decode step, so that a request's first burst has
/// unit - prompt mod unit of them.
void summarize(std::span<const Request> requests, int64_t unit, const FleetConfig& config,
               const Outcome& outcome, const Limits& limits, Row& row);

}  // namespace photon::simulation
