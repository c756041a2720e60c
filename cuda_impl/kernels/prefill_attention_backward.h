// SPDX-License-Identifier: Apache-2.0
// Backward of prefill_attention (Dao et al. 2022, 2023): probabilities are computed again from the logarithms
// of their sums that the forward pass stored, tile by tile, never T x T in memory. No atomics: one kernel
// makes the gradients of keys and values, a block owning some keys of a head and every query that sees them;
// one those of queries, a block owning some queries. Scores are computed twice for it.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/attention_shape.h"
#include "cuda_impl/kernels/cache_view.h"

namespace photon::PHOTON_GPU {

struct PrefillAttentionBackward {
  AttentionShape shape = {};
  /// (sequences · units, packed width), q and k rotated, as the forward pass saw it
  const bf16* qkv = nullptr;
  const bf16* out = nullptr;    ///< (sequences · units, width), of the forward pass
  const float* lse = nullptr;   ///< (sequences, heads, units), of the forward pass
  const bf16* d_out = nullptr;  ///< (sequences · units, width)
  /// (sequences · units, packed width), of the rotated q and k and of v; all of it is written
  bf16* d_qkv = nullptr;
  float* workspace = nullptr;  ///< prefill_attention_backward_workspace(..) floats
  int64_t sequences = 0;
  int32_t units = 0;
  VisibleUnits visible = {};
};

/// Floats.
int64_t prefill_attention_backward_workspace(const AttentionShape& shape, int64_t sequences, int32_t units);

/// Of all launches. Scores computed again are not counted: twice the FLOPs of the forward pass.
Work prefill_attention_backward_work(const PrefillAttentionBackward& a);
/// Heads of even size up to 256. Throws Error beyond, and on more than one launch holds.
void prefill_attention_backward(Stream& stream, const PrefillAttentionBackward& a);

}  // namespace photon::PHOTON_GPU
