// SPDX-License-Identifier: Apache-2.0
// Runs gnuplot, which draws every figure, and brings back what it complained about.
#pragma once

#include <filesystem>

namespace photon::analysis {

/// Runs `script` (a file in `folder`) with `folder` as working directory. Throws Error if there is no gnuplot
/// (saying how to get it) or if it fails (with its own message).
void run_gnuplot(const std::filesystem::path& folder, const std::filesystem::path& script);

}  // namespace photon::analysis
