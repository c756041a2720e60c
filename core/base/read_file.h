// SPDX-License-Identifier: Apache-2.0
// A whole file in memory: models and texts that are wanted at once. Pipes and devices can be read, too.
#pragma once

#include <filesystem>
#include <string>

namespace photon {

/// Throws Error with the path and the system's reason: no such file, a folder, no permission.
std::string read_file(const std::filesystem::path& path);

}  // namespace photon
