// SPDX-License-Identifier: Apache-2.0
// Text that a command line names, and what is worth a warning before a model reads it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/model/model_spec.h"
#include "trainer/run_state.h"

namespace photon::app {

/// The bytes of a file, "-" being standard input. Warns where they do not look like text.
std::string read_text_input(const std::filesystem::path& path);

/// Why `text` looks like no text: a NUL byte or malformed UTF-8, and where; empty if it looks like text.
std::string binary_sign(std::string_view text);

/// Tokens of the longest text that the weights were trained on, here or before they were imported; 0 is
/// unknown.
int64_t trained_context(const std::optional<trainer::RunState>& training, const ModelSpec& spec);

void warn(std::string_view message);

}  // namespace photon::app
