// SPDX-License-Identifier: Apache-2.0
// JSON from files that others wrote: duplicate keys, deep nesting and oversized files are refused before they
// can mean two things or take the memory. (Include nlohmann/json.hpp where the result is used.)
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace photon {

/// Throws Error naming `source` and the place.
nlohmann::json parse_strict_json(std::string_view text, const std::string& source);

/// Throws Error also if the file is missing or larger than `max_bytes`.
nlohmann::json read_strict_json(const std::filesystem::path& path, int64_t max_bytes = 64 << 20);

/// What the JSON library says of a syntax error, without its prefix, and without what it read last, which may
/// be as long as the file.
std::string_view json_error_reason(std::string_view library_message);

}  // namespace photon
