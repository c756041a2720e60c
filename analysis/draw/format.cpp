// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace photon::analysis {
namespace {

/// Fixed notation with `digits` significant digits.
std::string fixed(double value, int digits) {
  if (value == 0.0) return "0";
  // Rounding first: 9.999 has three digits as 10.0, not as 10.00.
  const double rounded = std::stod(fmt::format("{:.{}e}", value, digits - 1));
  const int magnitude = static_cast<int>(std::floor(std::log10(std::abs(rounded)) + 1e-9));
  return fmt::format("{:.{}f}", rounded, std::max(0, digits - 1 - magnitude));
}

template <size_t N>
std::string scaled(double value, double base, const std::array<const char*, N>& names, int digits) {
  size_t step = 0;
  // Half a unit of the last digit early, so that 999.9 becomes 1.00 k and not 1000.
  while (step + 1 < N && std::abs(value) >= base * (1.0 - 0.5 * std::pow(10.0, -digits))) {
    value /= base;
    ++step;
  }
  return fixed(value, digits) + (names[step][0] ? " " : "") + names[step];
}

}  // namespace

std::string significant(double value, int digits) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  if (value != 0.0 && (std::abs(value) < 1e-4 || std::abs(value) >= 1e10)) {
    return fmt::format("{:.{}e}", value, digits - 1);
  }
  return with_commas(fixed(value, digits));
}

std::string with_commas(std::string number) {
  const size_t first = number.starts_with('-') ? 1 : 0;
  for (size_t at = std::min(number.find('.'), number.size()); at > first + 3; at -= 3)
    number.insert(at - 3, 1, ',');
  return number;
}

size_t text_columns(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string with_prefix(double value, int digits) {
  static constexpr std::array names{"", "k", "M", "G", "T", "P", "E"};
  return scaled(value, 1000.0, names, digits);
}

std::string readable_bytes(double bytes) {
  static constexpr std::array names{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  return scaled(bytes, 1024.0, names, 3);
}

}  // namespace photon::analysis
