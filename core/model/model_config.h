// SPDX-License-Identifier: Apache-2.0
// A model spec on disk: TOML in and out (docs/architecture.md, "The model").
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/model_spec.h"

namespace photon {

/// Reads and validates. `overrides` are `key=value` pairs of `--set` (levels as `level.1.chunk=4`). Throws
/// Error with file, line, key, what was found, what is allowed, and the nearest known key.
ModelSpec load_model_spec(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
ModelSpec parse_model_spec(std::string_view toml, const std::string& source_name,
                           const std::vector<std::string>& overrides = {});

/// The resolved spec, every key written out; parse_model_spec of it gives the same spec.
std::string to_toml(const ModelSpec& spec);

}  // namespace photon
