// Results rows as JSON lines and as a Markdown table.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/results.h"

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

/// For reading: five significant digits are more than any measurement has; whole numbers stay whole.
std::string readable(const ResultColumn& column, const ResultRow& row) {
  const std::string& cell = row.text(column.name);
  if (!column.is_text && !cell.empty()) {
    return is_integer(cell) ? cell : fmt::format("{:.5g}", *row.number(column.name));
  }
  std::string escaped;
  for (const char c : cell) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
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
  std::string shared;
  std::vector<const ResultColumn*> shown;
  for (const std::string_view name : columns) {
    const ResultColumn& column = column_named(name);
    const bool same = rows.size() > 1 && std::all_of(rows.begin(), rows.end(), [&](const ResultRow& row) {
                        return row.text(name) == rows[0].text(name);
                      });
    if (!same) {
      shown.push_back(&column);
    } else if (!rows[0].empty(name)) {
      shared += fmt::format("{}{}: {}{}{}", shared.empty() ? "" : ", ", name, readable(column, rows[0]),
                            column.unit.empty() ? "" : " ", column.unit);
    }
  }
  std::string out = shared.empty() ? "" : shared + "\n\n";
  if (shown.empty()) return out;
  std::string rule;
  for (const ResultColumn* column : shown) {
    out += fmt::format("| {} ", title(*column));
    rule += column->is_text ? "|---" : "|--:";
  }
  out += "|\n" + rule + "|\n";
  for (const ResultRow& row : rows) {
    for (const ResultColumn* column : shown) out += fmt::format("| {} ", readable(*column, row));
    out += "|\n";
  }
  return out;
}

}  // namespace photon
