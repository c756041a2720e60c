// SPDX-License-Identifier: Apache-2.0
// photon floor request: least bytes, FLOPs and time of prefill and decoding, for any model on any machine.
#pragma once

#include "app/arguments.h"

namespace photon::app {

/// Makes `command` this one. `photon floor` without a subcommand is it, too.
void add_floor_request(CommandLine command);

}  // namespace photon::app
