// SPDX-License-Identifier: Apache-2.0
// The sum of squares over the gradients of the trained parameters, in double and in a fixed order: what
// clipping needs.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/parameter_tiles.h"

namespace photon::PHOTON_GPU {

struct SquaredNorm {
  const float* values = nullptr;         ///< flat, as `tiles` say
  const ParameterTile* tiles = nullptr;  ///< on the device
  int64_t tile_count = 0;
  int64_t elements = 0;         ///< of the trained tiles
  double* workspace = nullptr;  ///< (tile_count)
  double* sum = nullptr;        ///< one; set
};

/// Of both launches.
Work squared_norm_work(const SquaredNorm& a);
void squared_norm(Stream& stream, const SquaredNorm& a);

}  // namespace photon::PHOTON_GPU
