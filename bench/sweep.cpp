// SPDX-License-Identifier: Apache-2.0
#include "bench/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/error.h"

namespace photon::bench {
namespace {

constexpr int64_t largest = int64_t{1} << 31;
constexpr size_t most_values = 4096;  // a slip of the pen, not a sweep

/// Reads a number off the front of `text`; 0 if there is none in range.
int64_t take_number(std::string_view& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 1 || value > largest) return 0;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::vector<int64_t> parse_item(std::string_view item, bool allow_max) {
  if (item == "max") return allow_max ? std::vector{sweep_max} : std::vector<int64_t>{};
  std::vector<int64_t> out;
  const int64_t first = take_number(item);
  if (first == 0) return {};
  if (item.empty()) return {first};
  if (!take(item, '-')) return {};
  const int64_t last = take_number(item);
  if (last < first) return {};
  const bool product = take(item, '*');
  const bool sum = !product && take(item, '+');
  const int64_t step = product || sum ? take_number(item) : 1;
  if (!item.empty() || step < (product ? 2 : 1)) return {};
  for (int64_t v = first; v <= last && out.size() <= most_values; v = product ? v * step : v + step)
    out.push_back(v);
  return out;
}

}  // namespace

std::vector<int64_t> parse_sweep(std::string_view text, std::string_view option, bool allow_max) {
  std::vector<int64_t> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    const auto values = parse_item(item, allow_max);
    if (values.empty()) {
      throw UsageError(
          fmt::format("{}: '{}' in '{}' is neither a number from 1 to {}, a range like 4-16, 4-16+4 or "
                      "1-64*2{}",
                      option, item, text, largest, allow_max ? ", nor max" : ""));
    }
    for (const int64_t v : values) {
      if (std::find(out.begin(), out.end(), v) == out.end()) out.push_back(v);
    }
    if (out.size() > most_values) {
      throw UsageError(fmt::format("{}: '{}' has more than {} values", option, text, most_values));
    }
    begin = end + 1;
  }
  return out;
}

}  // namespace photon::bench
