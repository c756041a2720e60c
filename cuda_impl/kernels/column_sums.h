// SPDX-License-Identifier: Apache-2.0
// The gradient of a bias: sums over rows, in a fixed order by way of partial sums.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct ColumnSums {
  const bf16* d = nullptr;  ///< row r at d + r · d_stride
  int64_t d_stride = 0;
  float* sums = nullptr;       ///< (width), added to
  float* workspace = nullptr;  ///< column_sums_workspace(rows, width) elements
  int64_t rows = 0;
  int32_t width = 0;
};

/// Elements.
int64_t column_sums_workspace(int64_t rows, int32_t width);
/// Of both launches.
Work column_sums_work(const ColumnSums& a);
void column_sums(Stream& stream, const ColumnSums& a);

}  // namespace photon::PHOTON_GPU
