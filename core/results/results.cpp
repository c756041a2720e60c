// SPDX-License-Identifier: Apache-2.0
#include "core/results/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <unordered_map>

#include "core/base/csv.h"
#include "core/base/error.h"

namespace photon {
namespace {

size_t column_index(std::string_view name) {
  static const auto index = [] {
    std::unordered_map<std::string_view, size_t> map;
    for (const ResultColumn& column : result_columns()) map.emplace(column.name, map.size());
    return map;
  }();
  const auto found = index.find(name);
  if (found == index.end()) throw std::logic_error(fmt::format("no results column \"{}\"", name));
  return found->second;
}

}  // namespace

ResultRow::ResultRow() : cells_(result_columns().size()) {}

void ResultRow::set(std::string_view column, std::string_view text) {
  cells_[column_index(column)] = text;
}

void ResultRow::set(std::string_view column, double value) {
  const size_t index = column_index(column);
  if (!std::isfinite(value)) {
    throw Error(fmt::format("results column {}: {} is not a finite number", column, value));
  }
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  cells_[index].assign(buffer, end);
}

void ResultRow::set(std::string_view column, int64_t value) {
  cells_[column_index(column)] = std::to_string(value);
}

const std::string& ResultRow::text(std::string_view column) const {
  return cells_[column_index(column)];
}

std::optional<double> ResultRow::number(std::string_view column) const {
  const std::string& cell = text(column);
  if (cell.empty()) return std::nullopt;
  const double value = csv_number(cell, fmt::format("results column {}", column));
  if (!std::isfinite(value))
    throw Error(fmt::format("results column {}: {} is not a finite number", column, cell));
  return value;
}

}  // namespace photon
