// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/efficiency.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include "core/base/error.h"
#include "core/base/quantile.h"

namespace photon::analysis::simulation {
std::array<double, 3> parse_band(const std::string& text, const std::string& option) {
  std::vector<double> values;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(':', begin), text.size());
    double value = 0.0;
    const auto [stop, status] = std::from_chars(text.data() + begin, text.data() + end, value);
    if (status != std::errc{} || stop != text.data() + end) value = 0.0;
    values.push_back(value);
    begin = end + 1;
  }
  if (values.size() == 1) values.assign(3, values[0]);
  const bool fractions =
      std::all_of(values.begin(), values.end(), [](double x) { return x > 0.0 && x <= 1.0; });
  if (values.size() != 3 || !fractions || !std::is_sorted(values.begin(), values.end())) {
    throw UsageError(
        fmt::format("{} {}: a fraction of the serial floor's speed, above 0 and up to 1, or "
                    "LOW:MID:HIGH",
                    option, text));
  }
  return {values[0], values[1], values[2]};
}

namespace {

/// Of a bench row on the streamed schedule; the generation of vanilla's rows is empty.
bool is_of(const ResultRow& row, const MeasuredAs& wanted) {
  const std::string& generation = row.text("generation");
  const bool same_reading = row.text("reading") == wanted.spec.reading_name();
  return row.text("model") == wanted.spec.name && row.text("architecture") == wanted.spec.architecture() &&
         same_reading &&
         (generation.empty() ? "hiergen" : std::string_view(generation)) == to_string(wanted.generation);
}

}  // namespace

EfficiencyBand measured_band(std::span<const ResultRow> rows, const MeasuredAs& wanted) {
  std::vector<double> prefill;
  std::vector<double> decode;
  std::set<std::string> elsewhere;
  const std::string what = fmt::format("{} under {}", wanted.spec.name, to_string(wanted.generation));
  for (const ResultRow& row : rows) {
    if (row.text("kind") != "bench" || row.text("schedule") == "unrolled" || !is_of(row, wanted)) continue;
    const auto p = row.number("prefill_serial_fraction");
    const auto d = row.number("decode_serial_fraction");
    if (!p || !d || !(*p > 0.0) || !(*d > 0.0)) continue;
    if (row.text("device") != wanted.device || row.text("dtype") != wanted.dtype) {
      elsewhere.insert(fmt::format("'{}' in {}", row.text("device"), row.text("dtype")));
      continue;
    }
    if (*p > 1.0 || *d > 1.0) {
      throw Error(fmt::format(
          "a bench row of {} (batch {}) has serial fractions of {:.4g} in prefill and {:.4g} in decode: "
          "above "
          "1, faster than memory, from a cache that the simulated floor does not know; leave such rows out",
          what, row.text("batch"), *p, *d));
    }
    prefill.push_back(*p);
    decode.push_back(*d);
  }
  if (prefill.empty()) {
    const std::string there =
        elsewhere.empty() ? "" : fmt::format("; there are rows of {}", fmt::join(elsewhere, " and "));
    throw Error(fmt::format(
        "no bench row of {} on '{}' in {} has serial fractions of prefill and decode{}; fractions of another "
        "machine can only be assumed: --prefill-efficiency, --decode-efficiency",
        what, wanted.device, wanted.dtype, there));
  }
  const auto at = [&](double q) { return Efficiency{quantile(prefill, q), quantile(decode, q)}; };
  return {at(0.1), at(0.5), at(0.9), fmt::format("{} measured rows", prefill.size())};
}

}  // namespace photon::analysis::simulation
