// SPDX-License-Identifier: Apache-2.0
// photon floor paper: Tables 1 to 3 of the paper beside the model.
#pragma once

#include "app/arguments.h"

namespace photon::app {

/// Makes `command` this one.
void add_floor_paper(CommandLine command);

}  // namespace photon::app
