// SPDX-License-Identifier: Apache-2.0
// The command of this process, for the results it writes.
#pragma once

#include <string>
#include <vector>

namespace photon::app {

/// Its words as the shell gave them.
std::vector<std::string> command_line();

}  // namespace photon::app
