// SPDX-License-Identifier: Apache-2.0
// Backward of the rotary positions of rotate_append: gradients of rotated queries and keys become those of
// what the projection made, by the inverse rotation.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/attention_shape.h"

namespace photon::PHOTON_GPU {

struct RotateBack {
  AttentionShape shape = {};
  bf16* d_qkv = nullptr;             ///< (sequences · units, packed width); q and k are turned in place
  const float* rotations = nullptr;  ///< (positions, head_size / 2, 2): cos, sin; at least `units` positions
  int64_t sequences = 0;
  int32_t units = 0;  ///< of each sequence, at positions 0 ..
};

Work rotate_back_work(const RotateBack& a);
void rotate_back(Stream& stream, const RotateBack& a);

}  // namespace photon::PHOTON_GPU
