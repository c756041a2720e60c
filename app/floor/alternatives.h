// SPDX-License-Identifier: Apache-2.0
// photon floor alternatives: what else shrinks a cache, beside PHOTON, for one size of model.
#pragma once

#include "app/arguments.h"

namespace photon::app {

/// Makes `command` this one.
void add_floor_alternatives(CommandLine command);

}  // namespace photon::app
