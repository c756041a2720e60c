// SPDX-License-Identifier: Apache-2.0
// How much of the device's memory a plan may take.
#pragma once

#include <cstdint>

#include "core/cost/memory_plan.h"
#include "cuda_impl/device/error.h"

namespace photon::PHOTON_GPU {

/// Bytes: the usable share of the device's (docs/numbers.md, "Memory of a sample").
inline int64_t usable_memory() {
  size_t free = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<int64_t>(usable_share * static_cast<double>(total));
}

inline double gib(int64_t bytes) {
  return static_cast<double>(bytes) / 0x1p30;
}

}  // namespace photon::PHOTON_GPU
