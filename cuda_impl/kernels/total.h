// SPDX-License-Identifier: Apache-2.0
// The second half of sums to one number: what blocks have left, added up by one block in a fixed order.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct Total {
  const double* partials = nullptr;
  int64_t count = 0;
  double* sum = nullptr;  ///< one; set
};

Work total_work(const Total& a);
void total(Stream& stream, const Total& a);

}  // namespace photon::PHOTON_GPU
