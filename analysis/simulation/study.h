// SPDX-License-Identifier: Apache-2.0
// A simulation from end to end: a service, a load and a machine in, rows out; the fewest replicas that a load
// takes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/simulation/efficiency.h"
#include "analysis/simulation/load.h"
#include "analysis/simulation/summary.h"
#include "core/cost/hardware.h"

namespace photon::analysis::simulation {

/// Share of the requests that must be within the limits where the fewest replicas are looked for.
inline constexpr double wanted_share = 0.99;
/// A run tells what goes on for ever if arrivals go on for so many times as long as a request stays.
inline constexpr double stays = 20.0;
/// Of the load that a fleet can do at most: above it waits are long and change slowly.
inline constexpr double near_saturation = 0.9;
/// Requests to which a search prolongs runs that are too short to tell; more if it was given more.
inline constexpr int64_t longest_search = int64_t{1} << 18;

struct Study {
  Service service;
  Load load;
  std::string prompt_law, answer_law;  ///< as they were written
  Hardware hardware;
  DType dtype = DType::bfloat16;
  bool data_sheet_only = false;
  EfficiencyBand efficiency;
  Limits limits;
  /// 0: the fewest that can do what arrives and keep wanted_share of the requests within the limits, if any.
  int64_t replicas = 1;
  int64_t most_rows = 0;  ///< of a replica's batch; 0: as memory allows
};

/// One row, or three where the efficiency is a band: low, mid, high. Throws Error where no request fits,
/// where no number of replicas can do the load or keeps within the limits, and when interrupted; UsageError
/// where the fewest replicas are asked for that serve all requests at once.
std::vector<Row> run_study(const Study& study, const Trace* trace, const std::function<bool()>& interrupted);

/// The fewest replicas that can do what arrives: capacity arithmetic, no simulation. `efficiency` as in
/// run_study, and so are the errors.
int64_t fewest_stable(const Study& study, const Efficiency& efficiency, const Trace* trace);

// The parts of run_study, for whoever runs the fleet on other times.

ModelCosts study_costs(const Study& study, const Efficiency& efficiency, std::span<const Request> requests);
/// A row with what is known beforehand.
Row describe(const Study& study, std::span<const Request> requests);

}  // namespace photon::analysis::simulation
