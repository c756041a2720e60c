// SPDX-License-Identifier: Apache-2.0
// photon bench run: speed and memory of models in the paper's regimes beside what the machine can do.
#pragma once

#include "app/arguments.h"
#include "bench/sampling.h"

namespace photon::app {

/// Makes `command` this one. `photon bench` without a subcommand is it, too.
void add_bench_run(CommandLine command);

}  // namespace photon::app
