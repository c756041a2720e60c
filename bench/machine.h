// SPDX-License-Identifier: Apache-2.0
// A back end's ceilings as a hardware file (configs/hardware/), so that `photon floor` can predict this
// machine.
#pragma once

#include <functional>

#include "core/backend/backend.h"
#include "core/cost/hardware.h"

namespace photon::bench {

/// Measures every dtype, telling each as it is done. Rates are the largest seen. A few seconds.
Hardware measure_machine(Backend& backend, const std::function<void(DType, const Ceilings&)>& tell);

}  // namespace photon::bench
