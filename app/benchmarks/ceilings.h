// SPDX-License-Identifier: Apache-2.0
// photon bench ceilings: bandwidths, matrix rate and launch cost of this machine.
#pragma once

#include "app/arguments.h"

namespace photon::app {

/// Makes `command` this one.
void add_bench_ceilings(CommandLine command);

}  // namespace photon::app
