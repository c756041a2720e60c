// SPDX-License-Identifier: Apache-2.0
// What is not known is null in JSON, never zero.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

namespace photon {

inline nlohmann::ordered_json or_null(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace photon
