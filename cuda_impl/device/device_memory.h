// How much of the device's memory a plan may take.
#pragma once

#include "cuda_impl/device/error.h"

namespace photon::PHOTON_GPU {

/// Bytes: 0.95 of the device's (design, section 4: largest batch).
inline int64_t usable_memory() {
  constexpr double usable = 0.95;
  size_t free = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<int64_t>(usable * static_cast<double>(total));
}

inline double gib(int64_t bytes) {
  return static_cast<double>(bytes) / 0x1p30;
}

}  // namespace photon::PHOTON_GPU
