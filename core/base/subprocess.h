// SPDX-License-Identifier: Apache-2.0
// Other programs (apt-get, dpkg-deb, xz): started without a shell, output taken while it comes.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace photon {

struct CommandResult {
  bool found = false;    ///< the program is installed
  int status = -1;       ///< exit code; 128 + n if signal n ended it
  std::string messages;  ///< the last part of its standard error
};

/// Runs `argv` in `folder` (empty: here) with the C locale, standard input empty; `output` gets what it
/// prints, piece by piece. Throws Error if no process can be made.
CommandResult run_command(const std::vector<std::string>& argv, const std::filesystem::path& folder = {},
                          const std::function<void(std::string_view)>& output = {});

}  // namespace photon
