// SPDX-License-Identifier: Apache-2.0
// photon bench compare: whether one results file is faster than another, case by case.
#pragma once

#include "app/arguments.h"

namespace photon {

/// Adds the subcommand to `photon bench`.
void add_bench_compare(CommandLine& bench);

}  // namespace photon
