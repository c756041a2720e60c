// SPDX-License-Identifier: Apache-2.0
// Backward of local_attention (PHOTON, section 2: the chunk-local decoders): gradients of the rows as the
// projection made them, from those of what the attention gave. A window made in one pass is taken back in one
// pass. One made in parts (the recursive readings) is taken back from the last part to the first: each part
// adds what its rows give to the keys and values they saw, then turns what its own rows have been given by
// then.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/attention_shape.h"

namespace photon::PHOTON_GPU {

struct LocalAttentionBackward {
  AttentionShape shape = {};
  const bf16* qkv = nullptr;  ///< (chunks · rows, packed width): as the forward pass got them, not rotated
  /// (positions, head_size / 2, 2): cos, sin; at least length + rows positions
  const float* rotations = nullptr;
  /// (chunks, kv_heads, window, head_size), keys rotated, as the forward pass left them; rows
  /// [0, length + rows) are read, and qkv's keys and values are not. Null in the one-part case.
  const bf16* k = nullptr;
  const bf16* v = nullptr;      ///< the same shape
  const bf16* d_out = nullptr;  ///< (chunks · rows, width)
  /// (chunks · rows, packed width), of the rows before rotation; all of it is written
  bf16* d_qkv = nullptr;
  /// (chunks, kv_heads, window, head_size): what rows of later parts gave to keys and values, zero before the
  /// last part; rows [0, length) are added to, rows [length, length + rows) are read. Null in the one-part
  /// case.
  float* d_k = nullptr;
  float* d_v = nullptr;  ///< the same shape
  int64_t chunks = 0;
  int32_t window = 0;  ///< R + C - 1
  int32_t length = 0;  ///< rows before these; 0 in the one-part case
  int32_t rows = 0;    ///< at positions length ..; the window in the one-part case
};

Work local_attention_backward_work(const LocalAttentionBackward& a);
/// Throws Error on what is no part of a window, and beyond what a block's memory holds.
void local_attention_backward(Stream& stream, const LocalAttentionBackward& a);

}  // namespace photon::PHOTON_GPU
