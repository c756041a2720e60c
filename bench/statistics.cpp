#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace photon::bench {

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
