// SPDX-License-Identifier: Apache-2.0
// One kernel of the traffic model (core/cost/kernel.h) run by itself, in the code that generation runs it in.
#pragma once

#include <cstdint>
#include <memory>

#include "core/backend/backend.h"

namespace photon::reference {

/// Throws Error where the operands would not fit into memory. bfloat16 is computed in float, as in
/// generation.
std::unique_ptr<TimedKernel> make_timed_kernel(const Kernel& kernel, DType dtype, int64_t footprint);

}  // namespace photon::reference
