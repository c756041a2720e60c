// SPDX-License-Identifier: Apache-2.0
// Completion of a command line in a shell. The shell asks the program itself, so that it never knows less.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace photon::app {

/// What the last of `words` may become, of which it is a beginning: subcommands, options, and the values of
/// an option or a positional argument that takes words of a closed list. Empty where that is a file.
std::vector<std::string> completions(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace photon::app
