// SPDX-License-Identifier: Apache-2.0
// The launches that prefill_attention_backward is made of, and what their kernels have in common.
#pragma once

#include <cstdint>

#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/prefill_attention_backward.h"
#include "cuda_impl/kernels/softmax_scale.h"

namespace photon::PHOTON_GPU {

/// One of the op's launches with a block (or a warp) for each (sequence, tile of units, head).
struct BackwardKernel {
  PrefillAttentionBackward op;
  float scale;   ///< of scores, in powers of two
  float factor;  ///< of scores
  FastDivision heads;
  FastDivision tiles;
  FastDivision grouped;  ///< query heads of a key's head
  FastDivision block;    ///< of `visible`, or anything

  /// (units, 2) of a sequence's query head: the logarithm, base 2, of the sum of its weights, and the inner
  /// product of its result with the gradient of that.
  __device__ const float* sums(int64_t sequence, int32_t head) const {
    return op.workspace + 2 * (sequence * op.shape.heads + head) * op.units;
  }
  /// The first unit that `unit` sees.
  __device__ int32_t first(int32_t unit) const {
    if (op.visible.block > 0) return block_begin(unit);
    return op.visible.first(unit);
  }
  /// Some unit of [from, to], at most 64 of them, sees few others. Then its weights are large, the gradients
  /// that they make are the largest there are, and what rounding weights to 8 bits costs these would be seen:
  /// they enter their products as two terms. There are few such units, or each has little to compute.
  __device__ bool some_see_few(int32_t from, int32_t to) const {
    constexpr int32_t few = 128;
    return from - first(from) < few || to - first(to) < few;
  }
  /// After the last unit, present or not, that sees `unit`.
  __device__ int32_t end(int32_t unit) const {
    if (op.visible.block > 0) return block_begin(unit) + op.visible.block;
    if (op.visible.window > 0) return min(unit, 0x7fffffff - op.visible.window) + op.visible.window;
    return 0x7fffffff;
  }

 private:
  __device__ int32_t block_begin(int32_t unit) const {
    return static_cast<int32_t>(block.quotient(static_cast<uint32_t>(unit)) * block.divisor());
  }
};

/// heads: that the launch has blocks for, of queries or of keys. Throws Error on 2^31 blocks and more.
BackwardKernel backward_kernel(const PrefillAttentionBackward& a, int32_t heads, int64_t tiles);
/// Of the launch that makes the gradients of keys and values, and of the one that makes those of queries.
Work backward_keys_work(const PrefillAttentionBackward& a);
Work backward_queries_work(const PrefillAttentionBackward& a);

/// Heads up to 128.
void prefill_attention_backward_keys(Stream& stream, const PrefillAttentionBackward& a);
void prefill_attention_backward_queries(Stream& stream, const PrefillAttentionBackward& a);
/// Both, of heads above 128, which the paper's models do not have: right, not fast.
void prefill_attention_backward_wide(Stream& stream, const PrefillAttentionBackward& a);

}  // namespace photon::PHOTON_GPU
