// SPDX-License-Identifier: Apache-2.0
// What --format json and --format csv print: the same values.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace photon::app {

/// What is not known is null, never zero.
inline nlohmann::ordered_json or_null(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

/// One object is one row, an array of them as many; columns are the keys in the order in which they first
/// appear. The keys of an object inside a row stand behind its own and a dot, the items of an array of
/// numbers or texts between blanks; null is an empty cell. Throws Error on a text that no cell can hold.
std::string to_csv(const nlohmann::ordered_json& rows);

/// Prints `all` for the format "json"; for "csv" its rows.
void print_json(const nlohmann::ordered_json& all, const nlohmann::ordered_json& rows,
                const std::string& format);
/// Where all there is is one row.
inline void print_json(const nlohmann::ordered_json& row, const std::string& format) {
  print_json(row, row, format);
}

}  // namespace photon::app
