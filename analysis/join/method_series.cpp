// SPDX-License-Identifier: Apache-2.0
#include "analysis/join/method_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "analysis/join/measurements.h"

namespace photon::analysis {

Series& series_of_method(std::vector<Series>& series, const ResultRow& row, const Looks& looks) {
  const std::string method = method_of(row);
  const std::string title = looks.title(row.text("model"), method);
  const auto at =
      std::find_if(series.begin(), series.end(), [&](const Series& s) { return s.title == title; });
  if (at != series.end()) return *at;
  return series.emplace_back(
      Series{title, looks.of(row.text("model"), method), Series::Kind::points, {}, true});
}

std::string method_of(const ResultRow& row) {
  return method_name(row.text("architecture"), row.text("generation"), row.text("schedule"));
}

std::string tip_of(const ResultRow& row) {
  std::string regime = row.text("regime");
  for (char& c : regime) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (regime == "CUSTOM") regime = fmt::format("{} in, {} out", row.text("prompt"), row.text("new_tokens"));
  std::string tip =
      fmt::format("{}, {}\n{}, batch {}", row.text("model"), method_of(row), regime, row.text("batch"));
  if (const auto samples = row.number("samples_per_prompt"); samples && *samples > 1.0)
    tip += fmt::format(", {} samples a prompt", row.text("samples_per_prompt"));
  return tip;
}

void add_models(Looks& looks, const ResultRow& row) {
  if (row.empty("architecture")) return;  // a text model that is no network
  looks.add(row.text("model"), method_of(row));
}

}  // namespace photon::analysis
