// SPDX-License-Identifier: Apache-2.0
// Comma-separated files as this project writes them (RFC 4180 without line breaks inside cells): quoting, and
// a reader that names file, line and column of what it refuses. Results, training metrics and the paper's
// tables go through it.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace photon {

/// Throws Error on a line break or a NUL, which no cell may hold: before work whose result could not be
/// stored.
void require_cell(std::string_view text);

/// The cell, in quotes where it holds a comma or a quote. Throws as require_cell does.
std::string csv_cell(std::string_view text);

/// Cells of one line without its line break. Throws Error that begins with `where`.
std::vector<std::string> split_csv_line(std::string_view line, const std::string& where);

/// Reads a file line by line under a shared lock. The first line is the header; every other line has as many
/// cells.
class CsvReader {
 public:
  /// Throws Error when the file cannot be read, is empty, or ends without a line break (a cut-off last line).
  explicit CsvReader(const std::filesystem::path& file);
  ~CsvReader();

  const std::vector<std::string>& header() const { return header_; }
  /// False at the end of the file. Throws Error on a wrong number of cells or broken quotes.
  bool next(std::vector<std::string>& cells);
  /// "FILE, line N": of the line that next() gave last.
  std::string where() const;

 private:
  struct Lines;
  std::filesystem::path file_;
  std::unique_ptr<Lines> lines_;
  std::vector<std::string> header_;
};

/// The same from text in memory, for tables that are compiled in.
struct CsvTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};
CsvTable parse_csv(std::string_view text, const std::string& source_name);

/// The whole cell as a number ("nan" and "inf" too). Throws Error that begins with `where`.
double csv_number(std::string_view cell, const std::string& where);

}  // namespace photon
