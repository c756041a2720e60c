// SPDX-License-Identifier: Apache-2.0
// photon bench preset: a sweep, or a list of cases with targets, from a file.
#pragma once

#include "app/arguments.h"

namespace photon::app {

/// Makes `command` this one.
void add_bench_preset(CommandLine command);

}  // namespace photon::app
