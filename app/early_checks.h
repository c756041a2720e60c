// SPDX-License-Identifier: Apache-2.0
// What is refused before hours of work and not behind them: outputs that cannot be written.
#pragma once

#include <filesystem>

namespace photon::app {

/// Throws Error if a file cannot be written there: its folder is missing, it is a folder itself, nobody may.
/// Nothing is left.
void require_writable(const std::filesystem::path& file);

}  // namespace photon::app
