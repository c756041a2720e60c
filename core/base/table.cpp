// SPDX-License-Identifier: Apache-2.0
#include "core/base/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace photon {
namespace {

std::string escaped(const std::string& cell) {
  std::string out;
  for (const char c : cell) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

/// Characters that a terminal shows: UTF-8's continuation bytes are none.
size_t shown(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

size_t widest_of(const TableColumn& column) {
  size_t widest = shown(escaped(column.title));
  for (const std::string& cell : column.cells) widest = std::max(widest, shown(escaped(cell)));
  return widest;
}

/// What a column adds to the length of a line at most: "| cell ".
size_t width_of(const TableColumn& column) {
  return widest_of(column) + 3;
}

std::string one_table(const std::vector<const TableColumn*>& columns, Cells cells) {
  std::vector<size_t> widths;
  for (const TableColumn* c : columns) widths.push_back(cells == Cells::padded ? widest_of(*c) : 0);
  std::string head, rule, rows;
  const auto add = [&](std::string& line, size_t c, const std::string& text) {
    const std::string cell = escaped(text);
    line += "| " + cell + std::string(widths[c] - std::min(widths[c], shown(cell)) + 1, ' ');
  };
  for (size_t c = 0; c < columns.size(); ++c) {
    add(head, c, columns[c]->title);
    rule += '|' + std::string(std::max(widths[c], size_t{1}) + 1, '-') + (columns[c]->is_text ? '-' : ':');
  }
  for (size_t row = 0; row < columns.front()->cells.size(); ++row) {
    for (size_t c = 0; c < columns.size(); ++c) add(rows, c, columns[c]->cells[row]);
    rows += "|\n";
  }
  return head + "|\n" + rule + "|\n" + rows;
}

/// Five significant digits without an exponent; more where they stand before the point.
std::string plain(double value) {
  const double size = std::abs(value);
  const int before = size >= 1.0 ? static_cast<int>(std::floor(std::log10(size))) + 1 : 0;
  const int zeros = size > 0.0 && size < 1.0 ? static_cast<int>(-std::floor(std::log10(size))) - 1 : 0;
  std::string text = fmt::format("{:.{}f}", value, std::clamp(5 - before + zeros, 0, 12));
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

std::string markdown_table(std::span<const TableColumn> columns, size_t keys, Cells cells) {
  keys = std::min(keys, columns.size());
  std::vector<const TableColumn*> naming;
  size_t naming_width = 1;
  for (const TableColumn& c : columns.first(keys)) {
    naming.push_back(&c);
    naming_width += width_of(c);
  }
  std::string out;
  std::vector<const TableColumn*> part = naming;
  size_t part_width = naming_width;
  for (const TableColumn& c : columns.subspan(keys)) {
    if (part.size() > naming.size() && part_width + width_of(c) > table_width) {
      out += one_table(part, cells) + "\n";
      part = naming;
      part_width = naming_width;
    }
    part.push_back(&c);
    part_width += width_of(c);
  }
  return part.empty() ? out : out + one_table(part, cells);
}

std::string in_lines(std::span<const std::string> items) {
  std::string out;
  size_t at = 0;
  for (const std::string& item : items) {
    const size_t with_commas = shown(item) + 3;
    if (out.empty()) {
      at = shown(item);
    } else if (at + with_commas <= table_width) {
      out += ", ";
      at += 2 + shown(item);
    } else {
      out += ",\n";
      at = shown(item);
    }
    out += item;
  }
  return out;
}

std::vector<std::string> readable_numbers(std::span<const std::optional<double>> values) {
  constexpr double smallest_plain = 1e-4;
  constexpr double largest_plain = 1e9;
  constexpr double largest_whole = 1e12;
  bool whole = true;
  double largest = 0.0;
  double smallest = smallest_plain;
  for (const auto& v : values) {
    if (!v) continue;
    whole = whole && *v == std::floor(*v);
    largest = std::max(largest, std::abs(*v));
    if (*v != 0.0) smallest = std::min(smallest, std::abs(*v));
  }
  const bool exponent = largest >= (whole ? largest_whole : largest_plain) || smallest < smallest_plain;
  std::vector<std::string> out;
  for (const auto& v : values) {
    out.push_back(!v ? "" : exponent && *v != 0.0 ? fmt::format("{:.4e}", *v) : plain(*v));
  }
  return out;
}

std::string readable_number(double value) {
  return readable_numbers(std::array{std::optional(value)})[0];
}

}  // namespace photon
