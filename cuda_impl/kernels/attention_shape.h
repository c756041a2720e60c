// SPDX-License-Identifier: Apache-2.0
// Heads of an attention, and where they lie in a packed row [q | k | v] of the projection.
#pragma once

#include <cstdint>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

struct AttentionShape {
  int32_t heads = 0;
  int32_t kv_heads = 0;   ///< divides heads; query head h reads head h · kv_heads / heads
  int32_t head_size = 0;  ///< even

  __host__ __device__ int32_t width() const { return heads * head_size; }
  __host__ __device__ int32_t kv_width() const { return kv_heads * head_size; }
  __host__ __device__ int32_t packed_width() const { return width() + 2 * kv_width(); }
};

}  // namespace photon::PHOTON_GPU
