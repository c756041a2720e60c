// SPDX-License-Identifier: Apache-2.0
// photon bench train: training steps beside the matrix rate.
#pragma once

#include "app/arguments.h"

namespace photon::app {

/// Makes `command` this one.
void add_bench_training(CommandLine command);

}  // namespace photon::app
