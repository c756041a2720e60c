// SPDX-License-Identifier: Apache-2.0
#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace photon::bench {

double median(std::span<const double> values) {
  return quantile(values, 0.5);
}

double relative_spread(std::span<const double> values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return (*high - *low) / median(values);
}

double relative_error(std::span<const double> values) {
  if (values.size() < 3) return std::numeric_limits<double>::infinity();
  const double range = quantile(values, 0.75) - quantile(values, 0.25);
  return range / (median(values) * std::sqrt(static_cast<double>(values.size())));
}

}  // namespace photon::bench
