// SPDX-License-Identifier: Apache-2.0
// Where rows go as they are measured: to standard output in one format and to a CSV file that is added to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/results/results.h"

namespace photon::bench {

/// The rows of a file that is to be added to; none if it is not there. Throws Error now where adding a row
/// would fail later: another schema, a line cut off, a folder that is not there or may not be written.
std::vector<ResultRow> open_results(const std::filesystem::path& file);

class Output {
 public:
  enum class Format { markdown, csv, jsonl };
  static Format parse_format(std::string_view name);  ///< md, json (or jsonl) or csv; throws UsageError

  /// `file` may be empty, else it is opened with open_results.
  Output(Format format, std::filesystem::path file);

  /// CSV and JSON lines are printed at once, a table when all is done. The file gets the row before this
  /// returns.
  void add(const ResultRow& row);
  /// A row that the file holds already: it takes its place in the table.
  void show(const ResultRow& row) { rows_.push_back(row); }
  void finish();

  const std::vector<ResultRow>& in_file() const { return in_file_; }  ///< when this was made
  const std::vector<ResultRow>& rows() const { return rows_; }        ///< shown or added
  int64_t added() const { return added_; }

 private:
  Format format_;
  std::filesystem::path file_;
  std::vector<ResultRow> in_file_;
  std::vector<ResultRow> rows_;
  int64_t added_ = 0;
};

/// Three tables for reading: speed, memory, and how near to the floors. What is the same in
/// every row stands above, what is empty is left out.
std::string tables(const std::vector<ResultRow>& rows);

}  // namespace photon::bench
