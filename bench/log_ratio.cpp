// SPDX-License-Identifier: Apache-2.0
#include "bench/log_ratio.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>

namespace photon::bench {
namespace {

/// Continued fraction of the incomplete beta function, by Lentz's method (Press et al., Numerical Recipes,
/// 6.4).
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  const auto away_from_zero = [](double v) { return std::abs(v) < tiny ? tiny : v; };
  double c = 1.0;
  double d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
  double out = d;
  for (int m = 1; m < 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
    for (const double step : {even, odd}) {
      d = 1.0 / away_from_zero(1.0 + step * d);
      c = away_from_zero(1.0 + step / c);
      out *= c * d;
    }
    if (std::abs(c * d - 1.0) < 1e-14) break;
  }
  return out;
}

/// I_x(a, b).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(a, b, x) / a;
  return 1.0 - front * beta_fraction(b, a, 1.0 - x) / b;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Between the rows of a side; there are two or more.
double variance(const std::vector<double>& values) {
  const double middle = mean(values);
  double sum = 0.0;
  for (const double v : values) sum += (v - middle) * (v - middle);
  return sum / static_cast<double>(values.size() - 1);
}

struct Spread {
  double variance = 0.0;  ///< of the side's mean
  double degrees = 0.0;
};

std::optional<Spread> spread_of(const Side& side, const Side& other) {
  const auto rows = static_cast<double>(side.logs.size());
  double within = 0.0;
  for (const auto& v : side.variances) within += v.value_or(0.0) / rows;
  const Side& repeated = side.logs.size() > 1 ? side : other;
  if (repeated.logs.size() > 1) {
    return Spread{std::max(variance(repeated.logs), within) / rows,
                  static_cast<double>(repeated.logs.size() - 1)};
  }
  if (!side.variances[0]) return std::nullopt;
  return Spread{*side.variances[0], static_cast<double>(side.samples[0] - 1)};
}

}  // namespace

double student_t(double confidence, double degrees) {
  if (!(degrees > 0.0) || !(confidence > 0.0) || !(confidence < 1.0)) {
    throw std::logic_error(fmt::format("student_t({}, {})", confidence, degrees));
  }
  const auto inside = [&](double x) {
    return 1.0 - incomplete_beta(0.5 * degrees, 0.5, degrees / (degrees + x * x));
  };
  double low = 0.0;
  double high = 1.0;
  while (inside(high) < confidence && high < 1e12) high *= 2.0;
  for (int i = 0; i < 200 && high - low > 1e-13 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (inside(middle) < confidence ? low : high) = middle;
  }
  return high;
}

double expected_range(int64_t n) {
  if (n < 2) throw std::logic_error(fmt::format("expected_range({})", n));
  const auto count = static_cast<double>(n);
  constexpr double step = 0.02;
  double sum = 0.0;
  for (double x = -9.0; x <= 9.0; x += step) {
    const double below = 0.5 * std::erfc(-x / std::numbers::sqrt2);
    sum += 1.0 - std::pow(below, count) - std::pow(1.0 - below, count);
  }
  return sum * step;
}

std::optional<double> variance_of_row(int64_t samples, double spread) {
  if (samples < 2) return std::nullopt;
  const double deviation = spread / expected_range(samples);
  return deviation * deviation;
}

LogRatio log_ratio(const Side& a, const Side& b, double confidence) {
  LogRatio out;
  out.value = mean(b.logs) - mean(a.logs);
  out.between_runs = a.logs.size() > 1 || b.logs.size() > 1;
  const auto of_a = spread_of(a, b);
  const auto of_b = spread_of(b, a);
  if (!of_a || !of_b) return out;
  const double sum = of_a->variance + of_b->variance;
  if (sum == 0.0) {
    out.half_width = 0.0;
    return out;
  }
  const double degrees =
      sum * sum /
      (of_a->variance * of_a->variance / of_a->degrees + of_b->variance * of_b->variance / of_b->degrees);
  out.half_width = student_t(confidence, degrees) * std::sqrt(sum);
  return out;
}

}  // namespace photon::bench
