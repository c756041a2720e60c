// SPDX-License-Identifier: Apache-2.0
// The CPU back end: the reference model behind core's interfaces, under the name "cpu".
#pragma once

#include "core/backend/backend.h"

namespace photon::reference {

void add_backend(BackendRegistry& registry);

}  // namespace photon::reference
