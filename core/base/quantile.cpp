// SPDX-License-Identifier: Apache-2.0
#include "core/base/quantile.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

namespace photon {

double quantile(std::span<const double> values, double p) {
  if (values.empty()) throw std::logic_error("quantile of no values");
  for (const double v : values) {
    if (std::isnan(v)) throw std::logic_error("quantile of NaN");
  }
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double place = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

}  // namespace photon
