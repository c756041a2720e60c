// SPDX-License-Identifier: Apache-2.0
// Tables for reading: Markdown that fits a terminal, and numbers of one column written alike.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace photon {

inline constexpr size_t table_width = 120;  ///< characters of a line

struct TableColumn {
  std::string title;
  std::vector<std::string> cells;  ///< a row each
  bool is_text = false;            ///< left-aligned
};

/// Padded: to the width of its column in each table, for reading as it stands.
enum class Cells { bare, padded };

/// Lines of at most table_width characters where the cells allow it: columns that do not fit stand in further
/// tables below, each of which repeats the first `keys` columns, which name the rows. A '|' in a cell is
/// escaped.
std::string markdown_table(std::span<const TableColumn> columns, size_t keys, Cells cells = Cells::bare);

/// "a, b, c" in as many lines of at most table_width characters as it takes.
std::string in_lines(std::span<const std::string> items);

/// The numbers of one column: whole ones whole, others to five significant digits, all of them with an
/// exponent or none. An empty cell stays empty.
std::vector<std::string> readable_numbers(std::span<const std::optional<double>> values);
std::string readable_number(double value);  ///< a column of its own

}  // namespace photon
