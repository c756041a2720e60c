// SPDX-License-Identifier: Apache-2.0
// photon floor crossings: the batches and contexts at which one bound of decoding gives way to another.
#pragma once

#include "app/arguments.h"

namespace photon::app {

/// Makes `command` this one.
void add_floor_crossings(CommandLine command);

}  // namespace photon::app
