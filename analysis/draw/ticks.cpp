// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/ticks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/draw/format.h"

namespace photon::analysis {
namespace {

std::vector<double> linear_ticks(AxisRange range) {
  const double raw = (range.high - range.low) / 5.0;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10.0 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * 0.999) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const auto last = static_cast<int64_t>(std::floor(range.high / step + 1e-9));
  for (auto i = static_cast<int64_t>(std::ceil(range.low / step - 1e-9)); i <= last; ++i) {
    ticks.push_back(static_cast<double>(i) * step);
  }
  return ticks;
}

std::vector<double> powers(AxisRange range, double base, int stride, std::initializer_list<double> factors) {
  std::vector<double> ticks;
  const int first = static_cast<int>(std::floor(std::log(range.low) / std::log(base))) - 1;
  for (int p = first; std::pow(base, p) <= range.high; ++p) {
    if ((p % stride + stride) % stride != 0) continue;
    for (const double factor : factors) {
      const double value = factor * std::pow(base, p);
      if (value >= range.low * (1 - 1e-9) && value <= range.high * (1 + 1e-9)) ticks.push_back(value);
    }
  }
  return ticks;
}

std::string prefixed(double value, double base, const char* const* names) {
  int step = 0;
  for (; step < 6 && std::abs(value) >= base * 0.999999; ++step) value /= base;
  return fmt::format("{:.4g}{}{}", value, names[step][0] ? " " : "", names[step]);
}

int decimals_of(double value) {
  for (int decimals = 0; decimals < 9; ++decimals) {
    const double scaled = value * std::pow(10.0, decimals);
    if (std::abs(scaled - std::round(scaled)) < 1e-6 * std::max(1.0, std::abs(scaled))) return decimals;
  }
  return 9;
}

}  // namespace

std::vector<double> round_ticks(AxisRange range, PlotAxis::Scale scale, bool binary) {
  if (scale == PlotAxis::Scale::linear) return linear_ticks(range);
  const double ratio = range.high / range.low;
  if (binary) {
    const int octaves = static_cast<int>(std::log2(ratio));
    return powers(range, 2.0, std::max(1, (octaves + 6) / 7), {1.0});
  }
  if (ratio < 6.3) return linear_ticks(range);
  if (ratio < 300.0) return powers(range, 10.0, 1, {1.0, 2.0, 5.0});
  const int decades = static_cast<int>(std::log10(ratio));
  return powers(range, 10.0, std::max(1, (decades + 6) / 7), {1.0});
}

std::vector<std::string> tick_labels(const std::vector<double>& ticks, PlotAxis::Ticks form) {
  static constexpr const char* decimal[] = {"", "k", "M", "G", "T", "P", "E"};
  static constexpr const char* binary[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  static constexpr const char* tokens[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  // A linear axis wants the same decimals everywhere; on one that runs over decades each label has its own.
  const bool decades = ticks.size() > 1 && ticks.front() > 0.0 && ticks.back() / ticks.front() > 50.0;
  int decimals = 0;
  for (const double tick : ticks) decimals = std::max(decimals, decimals_of(tick));
  std::vector<std::string> labels;
  for (const double tick : ticks) {
    switch (form) {
      case PlotAxis::Ticks::plain:
        labels.push_back(
            std::abs(tick) >= 1e7 || (tick != 0.0 && std::abs(tick) < 1e-4)
                ? fmt::format("{:.3g}", tick)
                : with_commas(fmt::format("{:.{}f}", tick, decades ? decimals_of(tick) : decimals)));
        break;
      case PlotAxis::Ticks::prefixed:
        labels.push_back(prefixed(tick, 1000.0, decimal));
        break;
      case PlotAxis::Ticks::bytes:
        labels.push_back(prefixed(tick, 1024.0, binary));
        break;
      case PlotAxis::Ticks::tokens:
        labels.push_back(prefixed(tick, 1024.0, tokens));
        break;
    }
  }
  return labels;
}

}  // namespace photon::analysis
