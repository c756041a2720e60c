// SPDX-License-Identifier: Apache-2.0
// The second half of sums over many rows: partial sums that blocks have left, added up in their order.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct PartialSums {
  const float* partials = nullptr;  ///< (parts, width)
  int32_t parts = 0;
  int32_t width = 0;
  float* sums = nullptr;  ///< (width), added to
};

Work partial_sums_work(const PartialSums& a);
void partial_sums(Stream& stream, const PartialSums& a);

}  // namespace photon::PHOTON_GPU
