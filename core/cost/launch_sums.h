// SPDX-License-Identifier: Apache-2.0
// What a profiled run launched, summed over launches of the same op in the same place: the file in which
// `photon bench --profile` leaves the model's side of what a profiler's counters are set beside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/cost/launch.h"

namespace photon {

struct LaunchSum {
  std::string scope;
  std::string op;
  std::string file;
  int64_t launches = 0;
  Work work;
};

/// In the order in which each op was first launched.
std::vector<LaunchSum> sum_launches(std::span<const Launch> launches);

std::string to_csv(std::span<const LaunchSum> sums);  ///< with header
/// Throws Error with file, line and column on another header or cells that do not fit.
std::vector<LaunchSum> read_launch_sums(const std::filesystem::path& file);

}  // namespace photon
