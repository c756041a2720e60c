// SPDX-License-Identifier: Apache-2.0
// photon bench compare: whether one results file is faster than another, case by case.
#pragma once

#include "app/arguments.h"

namespace photon::app {

/// Makes `command` this one.
void add_bench_compare(CommandLine command);

}  // namespace photon::app
