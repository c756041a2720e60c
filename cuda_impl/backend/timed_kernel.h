// SPDX-License-Identifier: Apache-2.0
// One kernel of the traffic model (core/cost/kernel.h) run by itself: the launches that generation makes for
// it, recorded as a graph over as many copies of its operands as were asked for, on random data.
#pragma once

#include <cstdint>
#include <memory>

#include "core/backend/backend.h"
#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// Throws Error on a dtype other than bfloat16 and where the operands do not fit into memory.
std::unique_ptr<TimedKernel> make_timed_kernel(const Kernel& kernel, DType dtype, int64_t footprint,
                                               int multiprocessors);

}  // namespace photon::PHOTON_GPU
