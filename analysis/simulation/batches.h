// SPDX-License-Identifier: Apache-2.0
// How sure a figure of one simulation is: requests that are neighbours wait together, so they are no
// independent samples, but long batches of them nearly are. The error of a figure comes from what its batches
// differ.
#pragma once

#include <cmath>
#include <limits>
#include <span>

namespace photon::analysis::simulation {

inline constexpr int batch_count = 10;
/// Student's t at 9 degrees of freedom: 95 % lie within.
inline constexpr double batch_t = 2.262157;

/// Half the length of the 95 % interval around `whole`, the figure of all, from that of each of batch_count
/// batches. NaN if one of them is.
inline double batch_error(double whole, std::span<const double> batches) {
  if (batches.size() != batch_count) return std::numeric_limits<double>::quiet_NaN();
  double squares = 0.0;
  for (const double b : batches) squares += (b - whole) * (b - whole);
  return batch_t * std::sqrt(squares / (batch_count * (batch_count - 1.0)));
}

}  // namespace photon::analysis::simulation
