// SPDX-License-Identifier: Apache-2.0
// Rows for reading: what all share in a paragraph, then a line a quantity and a column a row.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/simulation/row.h"

namespace photon::simulation {
namespace {

constexpr size_t line_length = 120;

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

/// Characters, not bytes.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string label_of(const Column& c) {
  return c.unit.empty() ? std::string(c.name) : fmt::format("{} ({})", c.name, c.unit);
}

std::string padded(const std::string& text, size_t width) {
  return text + std::string(width - std::min(width, width_of(text)), ' ');
}

/// One column of the table: its heading first.
using Cells = std::vector<std::string>;

size_t width_of(const Cells& cells) {
  size_t width = 3;
  for (const std::string& cell : cells) width = std::max(width, width_of(cell));
  return width;
}

std::string table(std::span<const Cells> table_columns) {
  std::string out;
  for (size_t line = 0; line < table_columns.front().size(); ++line) {
    for (const Cells& cells : table_columns) out += "| " + padded(cells[line], width_of(cells)) + " ";
    out += "|\n";
    if (line > 0) continue;
    for (const Cells& cells : table_columns) {
      const std::string dashes(width_of(cells), '-');
      out += &cells == &table_columns.front() ? "|-" + dashes + "-" : "|-" + dashes + ":";
    }
    out += "|\n";
  }
  return out;
}

/// "a, b, c" in lines.
std::string paragraph(std::span<const std::string> parts) {
  std::string out;
  size_t length = 0;
  for (const std::string& part : parts) {
    const bool last = &part == &parts.back();
    if (length > 0 && length + width_of(part) + 2 > line_length) {
      out.back() = '\n';  // in the place of the blank
      length = 0;
    }
    out += part + (last ? "\n\n" : ", ");
    length += width_of(part) + 2;
  }
  return out;
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
  std::string out = paragraph(shared);
  Cells labels;
  for (const Column* c : shown) labels.push_back(label_of(*c));
  std::vector<Cells> block{labels};
  const auto length = [&] {
    size_t sum = 1;
    for (const Cells& cells : block) sum += width_of(cells) + 3;
    return sum;
  };
  for (const Row& row : rows) {
    Cells cells;
    for (const Column* c : shown) cells.push_back(readable(row, *c));
    block.push_back(cells);
    if (length() <= line_length || block.size() == 2) continue;
    block.pop_back();
    out += table(block) + '\n';
    block = {labels, cells};
  }
  return out + table(block);
}

}  // namespace photon::simulation
