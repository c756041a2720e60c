// SPDX-License-Identifier: Apache-2.0
// Results rows in CSV files: reading with the place of every fault, appending whole rows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/base/append_csv.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/results/results.h"

namespace photon {
namespace {

std::string header_line() {
  std::string line;
  for (const ResultColumn& column : result_columns()) {
    if (!line.empty()) line += ',';
    line += column.name;
  }
  return line + '\n';
}

std::string row_lines(std::span<const ResultRow> rows) {
  std::string lines;
  for (const ResultRow& row : rows) {
    bool first = true;
    for (const ResultColumn& column : result_columns()) {
      if (!first) lines += ',';
      first = false;
      try {
        lines += csv_cell(row.text(column.name));
      } catch (const Error& e) {
        throw Error(fmt::format("results column {}: {}", column.name, e.what()));
      }
    }
    lines += '\n';
  }
  return lines;
}

void check_version(const std::string& version, int wanted, const std::string& where) {
  if (version == std::to_string(wanted)) return;
  throw Error(fmt::format(
      "{}, column schema_version: this is schema {}, this program reads schema {} to {}{}; measure "
      "again or use the program that wrote the file",
      where, version.empty() ? "(empty)" : version, oldest_results_schema, results_schema_version,
      wanted == results_schema_version
          ? ""
          : fmt::format(", and the header has the columns of schema {}", wanted)));
}

/// The schema that a header is of: the newest that brought one of its columns.
int schema_of(const std::set<std::string>& header) {
  int schema = oldest_results_schema;
  for (const ResultColumn& column : result_columns()) {
    if (header.contains(std::string(column.name))) schema = std::max(schema, column.since);
  }
  return schema;
}

/// Returns the header's schema. Another schema has other columns: its version is the better message, so a
/// first row that tells it comes first.
int check_header(const std::vector<std::string>& header, CsvReader& reader) {
  std::string fault;
  std::set<std::string_view> known;
  std::set<std::string> seen;
  for (const ResultColumn& column : result_columns()) known.insert(column.name);
  const std::string where = reader.where();
  for (const std::string& name : header) {
    if (fault.empty() && !seen.insert(name).second) fault = fmt::format("{}: column {} twice", where, name);
    if (fault.empty() && !known.contains(name))
      fault = fmt::format("{}: unknown column \"{:.60}\"", where, name);
  }
  const int schema = schema_of(seen);
  for (const ResultColumn& column : result_columns()) {
    if (fault.empty() && column.since <= schema && !seen.contains(std::string(column.name)))
      fault = fmt::format("{}: column {} is missing", where, column.name);
  }
  if (fault.empty()) return schema;
  const auto version = std::find(header.begin(), header.end(), "schema_version");
  std::vector<std::string> cells;
  if (version != header.end() && reader.next(cells))
    check_version(cells[version - header.begin()], schema, reader.where());
  throw Error(fault + fmt::format("; the columns of schema {} were expected", schema));
}

void check_cell(const ResultColumn& column, const std::string& cell, int schema, const std::string& where) {
  const std::string place = fmt::format("{}, column {}", where, column.name);
  if (column.name == "schema_version") check_version(cell, schema, where);
  if (column.name == "kind" && cell != "bench" && cell != "training" && cell != "eval" && cell != "ladder" &&
      cell != "baseline") {
    throw Error(fmt::format("{}: \"{:.60}\" is not bench, training, eval, ladder or baseline", place, cell));
  }
  try {
    require_cell(cell);  // what is read can be written
  } catch (const Error& e) {
    throw Error(fmt::format("{}: {}", place, e.what()));
  }
  if (column.is_text || cell.empty()) return;
  if (!std::isfinite(csv_number(cell, place)))
    throw Error(fmt::format("{}: {} is not a finite number", place, cell));
}

}  // namespace

std::vector<ResultRow> read_results(const std::filesystem::path& file) {
  CsvReader reader(file);
  const std::vector<std::string> header = reader.header();
  const int schema = check_header(header, reader);
  std::vector<const ResultColumn*> columns;
  for (const std::string& name : header) {
    columns.push_back(&*std::find_if(result_columns().begin(), result_columns().end(),
                                     [&](const ResultColumn& column) { return column.name == name; }));
  }
  std::vector<ResultRow> rows;
  std::vector<std::string> cells;
  while (reader.next(cells)) {
    ResultRow row;
    for (size_t i = 0; i < cells.size(); ++i) {
      check_cell(*columns[i], cells[i], schema, reader.where());
      row.set(columns[i]->name, cells[i]);
    }
    row.set("schema_version",
            results_schema_version);  // an older one's rows are such as these, with less in them
    rows.push_back(std::move(row));
  }
  return rows;
}

void append_results(const std::filesystem::path& file, std::span<const ResultRow> rows) {
  append_csv(file, header_line(), row_lines(rows), fmt::format("results schema {}", results_schema_version));
}

std::string to_csv(std::span<const ResultRow> rows) {
  return header_line() + row_lines(rows);
}

}  // namespace photon
