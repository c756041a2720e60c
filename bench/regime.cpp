// SPDX-License-Identifier: Apache-2.0
#include "bench/regime.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/error.h"

namespace photon::bench {
namespace {

constexpr int64_t long_side = 2048;
constexpr int64_t short_side = 128;

Regime parse_one(std::string_view item) {
  const size_t slash = item.find('/');
  const std::string_view base = item.substr(0, slash);
  if (base != "pf" && base != "de") {
    throw UsageError(
        fmt::format("--regime: '{}' is not known; there are pf ({}/{}), de ({}/{}) and scaled ones like "
                    "pf/8; other lengths by --prompt and --new",
                    item, long_side, short_side, short_side, long_side));
  }
  int64_t scale = 1;
  if (slash != std::string_view::npos) {
    const std::string_view digits = item.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), scale);
    if (error != std::errc() || end != digits.data() + digits.size() || scale < 1 ||
        short_side % scale != 0) {
      throw UsageError(fmt::format("--regime: '{}': {} is no divisor of {}", item, digits, short_side));
    }
  }
  const int64_t many = long_side / scale;
  const int64_t few = short_side / scale;
  const std::string name = scale == 1 ? std::string(base) : fmt::format("{}/{}", base, scale);
  return base == "pf" ? Regime{name, many, few} : Regime{name, few, many};
}

}  // namespace

std::vector<Regime> parse_regimes(std::string_view text) {
  std::vector<Regime> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const Regime regime = parse_one(text.substr(begin, end - begin));
    if (std::find(out.begin(), out.end(), regime) == out.end()) out.push_back(regime);
    begin = end + 1;
  }
  return out;
}

}  // namespace photon::bench
