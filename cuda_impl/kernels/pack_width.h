// SPDX-License-Identifier: Apache-2.0
// How many adjacent elements a kernel may move at once.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// The largest of 8, 4, 2, 1 that divides all extents and strides: allocations start at 256 bytes, so that is
/// the alignment of every row.
inline int pack_width(std::initializer_list<int64_t> extents) {
  int64_t all = 8;
  for (const int64_t e : extents) all |= e;
  return static_cast<int>(all & -all);
}

}  // namespace photon::PHOTON_GPU
