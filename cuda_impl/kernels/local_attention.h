// SPDX-License-Identifier: Apache-2.0
// Attention inside chunks (PHOTON, section 2: the chunk-local decoders): thousands of windows of R + C - 1
// rows, each attending to nothing but itself. One launch turns new rows, attends and appends to the window's
// cache. Eight lanes per (chunk, query head), softmax in registers: a warp on a single pair would spend more
// time on instructions than on bytes.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/attention_shape.h"

namespace photon::PHOTON_GPU {

struct LocalAttention {
  AttentionShape shape = {};
  const bf16* qkv = nullptr;  ///< (chunks · rows, packed width): the new rows, not rotated yet
  /// (positions, head_size / 2, 2): cos, sin; at least length + rows positions
  const float* rotations = nullptr;
  bf16* k = nullptr;    ///< (chunks, kv_heads, window, head_size), rotated; null if nothing follows
  bf16* v = nullptr;    ///< the same shape
  bf16* out = nullptr;  ///< (chunks · rows, width)
  int64_t chunks = 0;
  int32_t window = 0;  ///< R + C - 1
  int32_t length = 0;  ///< rows already in the cache
  int32_t rows = 0;    ///< new ones, at positions length ..
};

Work local_attention_work(const LocalAttention& a);
void local_attention(Stream& stream, const LocalAttention& a);

}  // namespace photon::PHOTON_GPU
