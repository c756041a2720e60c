// SPDX-License-Identifier: Apache-2.0
// Results rows as JSON lines and as a Markdown table.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/base/table.h"
#include "core/results/results.h"

namespace photon {
namespace {

const ResultColumn& column_named(std::string_view name) {
  const auto columns = result_columns();
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.name == name; });
  if (found == columns.end()) throw std::logic_error(fmt::format("no results column \"{}\"", name));
  return *found;
}

/// In JSON's sense: digits without a leading zero.
bool is_integer(const std::string& cell) {
  const std::string_view digits = std::string_view(cell).substr(cell.starts_with('-') ? 1 : 0);
  return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos &&
         (digits.size() == 1 || digits[0] != '0');
}

/// Identifiers of 64 bits keep their digits, which a double would not.
constexpr size_t most_digits_of_a_number = 15;

/// The column of these rows, as it is read.
std::vector<std::string> readable(const ResultColumn& column, std::span<const ResultRow> rows) {
  std::vector<std::string> cells;
  std::vector<std::optional<double>> numbers;
  bool words = column.is_text;
  for (const ResultRow& row : rows) {
    cells.push_back(row.text(column.name));
    words = words || (is_integer(cells.back()) && cells.back().size() > most_digits_of_a_number);
  }
  if (words) return cells;
  for (const ResultRow& row : rows) numbers.push_back(row.number(column.name));
  return readable_numbers(numbers);
}

/// Whether the column tells which row this is, and not what was measured.
bool names_the_row(const ResultColumn& column) {
  static constexpr auto counts = std::to_array<std::string_view>(
      {"prompt", "new_tokens", "batch", "samples_per_prompt", "length", "context"});
  return column.is_text || std::find(counts.begin(), counts.end(), column.name) != counts.end();
}

std::string words(const std::string& cell) {
  return nlohmann::json(cell).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string title(const ResultColumn& column) {
  return column.unit.empty() ? std::string(column.name) : fmt::format("{} ({})", column.name, column.unit);
}

}  // namespace

std::string to_jsonl(std::span<const ResultRow> rows) {
  std::string lines;
  for (const ResultRow& row : rows) {
    std::string line;
    for (const ResultColumn& column : result_columns()) {
      const std::string& cell = row.text(column.name);
      if (cell.empty()) continue;
      line += line.empty() ? "{" : ", ";
      // Integers keep their digits: a 64-bit seed does not survive a double.
      const std::string value = column.is_text     ? words(cell)
                                : is_integer(cell) ? cell
                                                   : nlohmann::json(*row.number(column.name)).dump();
      line += fmt::format("\"{}\": {}", column.name, value);
    }
    lines += (line.empty() ? "{" : line) + "}\n";
  }
  return lines;
}

std::string to_markdown(std::span<const ResultRow> rows, std::span<const std::string_view> columns) {
  std::vector<std::string> shared;
  std::vector<TableColumn> shown;
  size_t keys = 0;
  for (const std::string_view name : columns) {
    const ResultColumn& column = column_named(name);
    const bool same = rows.size() > 1 && std::all_of(rows.begin(), rows.end(), [&](const ResultRow& row) {
                        return row.text(name) == rows[0].text(name);
                      });
    if (!same) {
      if (keys == shown.size() && names_the_row(column)) ++keys;
      shown.push_back({.title = title(column), .cells = readable(column, rows), .is_text = column.is_text});
    } else if (!rows[0].empty(name)) {
      shared.push_back(fmt::format("{}: {}{}{}", name, readable(column, rows.first(1))[0],
                                   column.unit.empty() ? "" : " ", column.unit));
    }
  }
  const std::string above = shared.empty() ? "" : in_lines(shared) + "\n\n";
  return shown.empty() ? above : above + markdown_table(shown, keys);
}

}  // namespace photon
