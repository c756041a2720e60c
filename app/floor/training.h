// SPDX-License-Identifier: Apache-2.0
// photon floor training: the analytic time of a training step by op.
#pragma once

#include "app/arguments.h"

namespace photon::app {

/// Makes `command` this one. The launches that it counts are those of the CUDA back end, whose emulation
/// every build has.
void add_floor_training(CommandLine command);

}  // namespace photon::app
