// SPDX-License-Identifier: Apache-2.0
// What the two kernels that take attention back on tensor cores have in common. A warp owns 16 · M rows of a
// head, keys or queries, and holds them in registers with the gradients they are given. It goes through the
// rows that these meet, the others, which lie in shared memory: scores of eight at a time, products with
// sixteen.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda_impl/kernels/flash_rows.h"
#include "cuda_impl/kernels/prefill_attention_backward_parts.h"

namespace photon::PHOTON_GPU {

/// D: tiles of 8 elements of a head's row that are computed; M: tiles of 16 rows a warp.
template <int D, int M>
struct BackwardTile {
  using Rows = FlashRows<D>;
  static constexpr int sixteens = M;
  static constexpr int eights = D;
  static constexpr int own_rows = 16 * M;  ///< of a warp

  using Own = uint32_t[M][Rows::steps][4];  ///< the warp's rows, as left factors
  using Gradient = float[M][D][4];          ///< of these, as mma lays out
  using Scores = float[M][4];               ///< of these with eight others
  using Weights = uint32_t[M][4];           ///< of these with sixteen others, rounded to be left factors

  /// Of a block, so that short sequences do not make warps without rows.
  static int32_t warps(int32_t units, const FlashCopy& copy) {
    constexpr int most_warps = 4;
    return std::clamp((units + own_rows - 1) / own_rows, copy.least_warps(), most_warps);
  }
  static __device__ int32_t rows_a_block() { return static_cast<int32_t>(blockDim.x) / warp_size * own_rows; }
  /// Of the warp, among the block's.
  static __device__ int first_row() { return static_cast<int>(anew(threadIdx.x)) / warp_size * own_rows; }

  /// From the block's rows.
  static __device__ void load(Own& own, const char* rows) {
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int s = 0; s < Rows::steps; ++s) {
        Rows::load_left(own[m][s], rows, Rows::left_offset(first_row() + 16 * m), s);
      }
    }
  }
  static __device__ void clear(Gradient& sums) {
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int d = 0; d < D; ++d) {
#pragma unroll
        for (float& x : sums[m][d]) x = 0.0f;
      }
    }
  }

  /// The inner products of own rows with eight others, and of their partners with the partners of these: what
  /// a softmax makes weights of, and what its results' gradients make of weights. `offset` is where both find
  /// the others (Rows::right_offset). Of two chains of products one has work while the other waits.
  static __device__ void multiply(Scores& scores, const Own& own, const char* others, Scores& d_weights,
                                  const Own& partners, const char* their_partners, int offset) {
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int j = 0; j < 4; ++j) scores[m][j] = d_weights[m][j] = 0.0f;
    }
#pragma unroll
    for (int s = 0; s < Rows::steps; s += 2) {
      uint32_t b[2][2];
      uint32_t d_b[2][2];
      Rows::load_right(b[0], b[1], others, offset, s / 2);
      Rows::load_right(d_b[0], d_b[1], their_partners, offset, s / 2);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int m = 0; m < M; ++m) Rows::multiply(scores[m], own[m][s + i], b[i], s + i);
#pragma unroll
        for (int m = 0; m < M; ++m) Rows::multiply(d_weights[m], partners[m][s + i], d_b[i], s + i);
      }
    }
  }
  /// half: which eight of the sixteen others.
  static __device__ void round(Weights& rounded, const Scores& x, int half) {
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) rounded[m][2 * half + h] = to_bf16_pair(x[m][2 * h], x[m][2 * h + 1]);
    }
  }
  /// x less what rounding leaves of it: the second term of x as a sum of two bf16.
  static __device__ void keep_rests(Scores& x) {
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (float& one : x[m]) one -= to_float(to_bf16(one));
    }
  }
  /// Adds sixteen others by their weights, elements [8 d, 8 d + 16) of them, to what own rows are given.
  /// `offset`: Rows::right_by_rows_offset.
  static __device__ void add(Gradient& sums, const Weights& weights, const char* others, int offset, int d) {
    uint32_t b0[2];
    uint32_t b1[2];
    Rows::load_right_by_rows(b0, b1, others, offset, d);
#pragma unroll
    for (int m = 0; m < M; ++m) {
      mma_m16n8k16(sums[m][d], weights[m], b0);
      if (d + 1 < D) mma_m16n8k16(sums[m][d + 1], weights[m], b1);
    }
  }

  /// visit(row, column, m, d, i) for each pair of elements that this lane holds of the gradients, [m][d][i]
  /// and [i + 1]: of the first `there` rows of the warp, within the head.
  template <class Visit>
  static __device__ void each_pair(int there, int32_t head_size, const Visit& visit) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int row = 16 * m + 8 * h + lane / 4;
        if (row >= there) continue;
#pragma unroll
        for (int d = 0; d < D; ++d) {
          const int column = 8 * d + 2 * (lane % 4);
          if (column < head_size) visit(row, column, m, d, 2 * h);
        }
      }
    }
  }
};

/// call(BackwardTile<..>{}) with what a head of this size, up to 128, takes; 16 · M rows are what registers
/// hold of it.
template <class Call>
void with_backward_tile(int32_t head_size, Call call) {
  if (head_size > 64) {
    call(BackwardTile<16, 1>{});
  } else if (head_size > 56) {
    call(BackwardTile<8, 2>{});
  } else {
    call(BackwardTile<7, 2>{});
  }
}

}  // namespace photon::PHOTON_GPU
