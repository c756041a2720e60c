// SPDX-License-Identifier: Apache-2.0
// Rows for reading: what all share in a paragraph, then a line a quantity and a column a row.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/simulation/row.h"
#include "core/base/table.h"

namespace photon::analysis::simulation {
namespace {

/// With so many digits that count; large and small numbers in one notation as far as it goes.
std::string number(double value, int digits) {
  const double size = std::abs(value);
  if (size == 0.0) return "0";
  if (!(size >= 1e-6 && size < 1e15)) return fmt::format("{:.{}g}", value, digits);
  const int before = static_cast<int>(std::floor(std::log10(size))) + 1;
  return fmt::format("{:.{}f}", value, std::max(0, digits - before));
}

std::string readable(const Row& row, const Column& column) {
  if (const auto* text = std::get_if<std::string Row::*>(&column.field)) return row.*(*text);
  if (const auto* whole = std::get_if<int64_t Row::*>(&column.field)) return std::to_string(row.*(*whole));
  const double value = row.*std::get<double Row::*>(column.field);
  if (std::isnan(value)) return "";
  const double error = column.error == nullptr ? Row::none : row.*column.error;
  return std::isnan(error) ? number(value, 4) : fmt::format("{} ± {}", number(value, 4), number(error, 2));
}

std::string label_of(const Column& c) {
  return c.unit.empty() ? std::string(c.name) : fmt::format("{} ({})", c.name, c.unit);
}

}  // namespace

std::string to_markdown(std::span<const Row> rows) {
  if (rows.empty()) return "";
  std::vector<std::string> shared;
  std::vector<const Column*> shown;
  for (const Column& c : columns()) {
    if (c.shown == Column::Shown::no) continue;
    const std::string first = readable(rows[0], c);
    const bool same =
        std::all_of(rows.begin(), rows.end(), [&](const Row& r) { return readable(r, c) == first; });
    if (c.name == "model" || !same || (c.shown == Column::Shown::figure && !first.empty())) {
      shown.push_back(&c);
    } else if (!first.empty()) {
      shared.push_back(fmt::format("{}: {}{}{}", c.name, first, c.unit.empty() ? "" : " ", c.unit));
    }
  }
  const auto column_of = [&](auto text, bool is_text) {
    TableColumn column{.title = text(*shown[0]), .cells = {}, .is_text = is_text};
    for (size_t i = 1; i < shown.size(); ++i) column.cells.push_back(text(*shown[i]));
    return column;
  };
  std::vector<TableColumn> table{column_of(label_of, true)};
  for (const Row& row : rows)
    table.push_back(column_of([&](const Column& c) { return readable(row, c); }, false));
  const std::string above = shared.empty() ? "" : in_lines(shared) + "\n\n";
  return above + markdown_table(table, 1, Cells::padded);
}

}  // namespace photon::analysis::simulation
