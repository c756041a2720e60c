// SPDX-License-Identifier: Apache-2.0
#include "app/json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <vector>

#include "core/base/csv.h"

namespace photon::app {
namespace {

using Json = nlohmann::ordered_json;
using Cells = std::map<std::string, std::string>;

std::string text_of(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> items;
  for (const Json& item : value) items.push_back(text_of(item));
  return fmt::format("{}", fmt::join(items, " "));
}

void flatten(const Json& object, const std::string& prefix, std::vector<std::string>& columns, Cells& cells) {
  for (const auto& [key, value] : object.items()) {
    const std::string name = prefix + key;
    if (value.is_object()) {
      flatten(value, name + ".", columns, cells);
      continue;
    }
    if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
    cells[name] = text_of(value);
  }
}

std::string line_of(const std::vector<std::string>& columns, const auto& cell) {
  std::vector<std::string> cells;
  for (const std::string& column : columns) cells.push_back(csv_cell(cell(column)));
  return fmt::format("{}\n", fmt::join(cells, ","));
}

}  // namespace

std::string to_csv(const Json& rows) {
  std::vector<std::string> columns;
  std::vector<Cells> lines;
  for (const Json& row : rows.is_array() ? rows : Json::array({rows})) {
    flatten(row, "", columns, lines.emplace_back());
  }
  if (columns.empty()) return "";
  std::string out = line_of(columns, [](const std::string& column) { return column; });
  for (Cells& cells : lines)
    out += line_of(columns, [&](const std::string& column) { return cells[column]; });
  return out;
}

void print_json(const Json& all, const Json& rows, const std::string& format) {
  if (format == "csv") {
    fmt::print("{}", to_csv(rows));
  } else {
    fmt::print("{}\n", all.dump(2));
  }
}

}  // namespace photon::app
