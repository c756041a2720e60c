// SPDX-License-Identifier: Apache-2.0
// Causal attention of whole sequences over themselves, never T x T in memory (Dao et al. 2022): prefill and
// the teacher-forced forward pass.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/attention_shape.h"
#include "cuda_impl/kernels/cache_view.h"

namespace photon::PHOTON_GPU {

struct PrefillAttention {
  AttentionShape shape = {};
  const bf16* qkv = nullptr;  ///< (sequences · units, packed width), q and k rotated
  bf16* out = nullptr;        ///< (sequences · units, width)
  int64_t sequences = 0;
  int32_t units = 0;
  VisibleUnits visible = {};
  /// (sequences, heads, units): natural logarithm of the sum of exp(score / sqrt(head size)), for the
  /// backward pass; null: not stored.
  float* lse = nullptr;
};

/// What stays in a cache is rotate_append's to store.
Work prefill_attention_work(const PrefillAttention& a);
void prefill_attention(Stream& stream, const PrefillAttention& a);

}  // namespace photon::PHOTON_GPU
