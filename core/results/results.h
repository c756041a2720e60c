// SPDX-License-Identifier: Apache-2.0
// The one results schema: a row is a measurement, the columns are the same everywhere, what was not measured
// is empty. CSV is the exchange format between trainer, benchmark and analysis; JSON lines and Markdown are
// views of it. Every column is defined in docs/numbers.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/model_spec.h"

namespace photon {

inline constexpr int results_schema_version = 4;
inline constexpr int oldest_results_schema = 3;  ///< that is still read: what it has not is empty

struct ResultColumn {
  std::string_view name;
  std::string_view unit;              ///< "" for text and pure numbers
  std::string_view meaning;           ///< one line
  bool is_text = false;               ///< the cells are words, even where they look like numbers
  int since = oldest_results_schema;  ///< the schema that brought it
};

/// All columns in file order.
std::span<const ResultColumn> result_columns();

/// One measurement. Setting or asking for a column that does not exist throws std::logic_error.
class ResultRow {
 public:
  ResultRow();
  void set(std::string_view column, std::string_view text);
  void set(std::string_view column, const char* text) { set(column, std::string_view(text)); }
  void set(std::string_view column, double value);  ///< shortest text that reads back equal; NaN is refused
  void set(std::string_view column, int64_t value);
  void set(std::string_view column, int value) { set(column, static_cast<int64_t>(value)); }

  const std::string& text(std::string_view column) const;       ///< "" when empty
  std::optional<double> number(std::string_view column) const;  ///< throws Error if it is no number
  bool empty(std::string_view column) const { return text(column).empty(); }

 private:
  std::vector<std::string> cells_;
};

/// Fills schema_version, run_id, time (RFC 3339, UTC), commit, dirty, argv and threads.
void set_identity(ResultRow& row, std::span<const std::string> argv);

/// Fills model, architecture, reading, parameters, width, chunks and prefix.
void set_model(ResultRow& row, const ModelSpec& spec);

/// Reads a file of this schema or one that came before it. Throws Error with file, line and column on another
/// schema version, missing or unknown columns, or cells that do not fit.
std::vector<ResultRow> read_results(const std::filesystem::path& file);

/// Appends rows; a new file gets the header, an existing one must have the same. A row is flushed whole.
void append_results(const std::filesystem::path& file, std::span<const ResultRow> rows);

std::string to_csv(std::span<const ResultRow> rows);    ///< with header
std::string to_jsonl(std::span<const ResultRow> rows);  ///< numbers as numbers, empty cells left out
/// A table of the named columns (core/base/table.h); those equal in every row go into a line above it.
std::string to_markdown(std::span<const ResultRow> rows, std::span<const std::string_view> columns);

}  // namespace photon
