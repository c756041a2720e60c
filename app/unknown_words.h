// SPDX-License-Identifier: Apache-2.0
// What a command line holds that no subcommand and no option is called, and what was probably meant.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace photon::app {

/// "unknown option '--bacth' of photon bench; did you mean '--batch'?" for the first such word; "" if all are
/// known.
std::string unknown_word(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace photon::app
