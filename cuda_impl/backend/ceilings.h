// SPDX-License-Identifier: Apache-2.0
// What the GPU reaches at most (docs/numbers.md), measured in this process on random data with the kernels,
// the library and the launch path that models use.
#pragma once

#include "core/backend/backend.h"
#include "cuda_impl/device/device.h"

namespace photon::PHOTON_GPU {

/// The best of several interleaved rounds of each: reading and copying an array far larger than the
/// last-level cache, reading again arrays that fit it (`cache_bytes`: the largest that reads nearer to the
/// cache's bandwidth than to memory's), products of 8192³ for tens of milliseconds, and a graph of kernels
/// that do nothing. Matrix products are bfloat16, other dtypes' rate is 0. Half a second, 1 GiB of memory for
/// its time; sizes are small in emulation, where none of it means anything.
Ceilings measure_ceilings(const Device& device, DType dtype);

}  // namespace photon::PHOTON_GPU
