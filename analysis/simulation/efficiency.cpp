#include "analysis/simulation/efficiency.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/quantile.h"

namespace photon::simulation {
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
      std::all_of(values.begin(), values.end(), [](double x) { return x > 0.0 && x <= Efficiency::most; });
  if (values.size() != 3 || !fractions || !std::is_sorted(values.begin(), values.end())) {
    throw UsageError(
        fmt::format("{} {}: a fraction of the serial floor's speed, above 0 and up to {}, or "
                    "LOW:MID:HIGH",
                    option, text, Efficiency::most));
  }
  return {values[0], values[1], values[2]};
}

EfficiencyBand measured_band(std::span<const ResultRow> rows, std::string_view architecture,
                             std::string_view generation) {
  std::vector<double> prefill;
  std::vector<double> decode;
  for (const ResultRow& row : rows) {
    if (row.text("kind") != "bench" || row.text("architecture") != architecture) continue;
    const std::string& made = row.text("generation");
    if ((made.empty() ? "hiergen" : std::string_view(made)) != generation) continue;
    if (row.text("schedule") == "unrolled") continue;
    const auto p = row.number("prefill_serial_fraction");
    const auto d = row.number("decode_serial_fraction");
    if (!p || !d || !(*p > 0.0) || !(*d > 0.0)) continue;
    prefill.push_back(std::min(*p, Efficiency::most));
    decode.push_back(std::min(*d, Efficiency::most));
  }
  if (prefill.empty()) {
    throw Error(fmt::format("no bench row of {} under {} has serial fractions of prefill and decode",
                            architecture, generation));
  }
  const auto at = [&](double q) { return Efficiency{quantile(prefill, q), quantile(decode, q)}; };
  return {at(0.1), at(0.5), at(0.9), fmt::format("{} measured rows", prefill.size())};
}

}  // namespace photon::simulation
