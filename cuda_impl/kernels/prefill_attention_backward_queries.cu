// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "cuda_impl/kernels/flash_rows.h"
#include "cuda_impl/kernels/prefill_attention_backward_parts.h"

namespace photon::PHOTON_GPU {
namespace {

template <int D, int M>
struct QueriesTile {
  using Rows = FlashRows<D>;
  static constexpr int queries = 16 * M;                          ///< of a warp
  static constexpr int key_bytes = flash_keys * Rows::row_bytes;  ///< of keys, and of values

  /// Keys and values, twice, then queries and the gradients of their results.
  static constexpr size_t shared_bytes(int warps) {
    return static_cast<size_t>(4 * key_bytes + 2 * warps * queries * Rows::row_bytes);
  }
};

/// What a block works on: queries [first, ..) of a sequence's head, and keys from first_key on.
struct QueriesPlace {
  int64_t row;  ///< of the sequence's first unit
  uint32_t sequence;
  int32_t head;
  int32_t first;
  int32_t first_key;
  int32_t keys;

  /// The last tiles, which see the most keys, come first.
  __device__ QueriesPlace(const BackwardKernel& p, uint32_t block, int32_t queries_a_block) {
    const uint32_t above = p.heads.quotient(block);
    head = static_cast<int32_t>(block - above * p.heads.divisor());
    sequence = p.tiles.quotient(above);
    const uint32_t tile = p.tiles.divisor() - 1 - (above - sequence * p.tiles.divisor());
    first = static_cast<int32_t>(tile) * queries_a_block;
    first_key = p.first(first);
    keys = min(first + queries_a_block, p.op.units) - first_key;
    row = static_cast<int64_t>(sequence) * p.op.units;
  }
  __device__ int32_t tiles() const { return (keys + flash_keys - 1) / flash_keys; }
};

// A block for each (sequence, tile of queries, head). A warp holds 16 · M queries, the gradients of their
// results and their own in registers and goes through the keys that they see, 16 at a time. While one tile of
// keys is worked on, the next is copied.
template <int D, int M>
__global__ void __launch_bounds__(128, 2)
    prefill_attention_backward_queries_kernel(BackwardKernel p, FlashCopy copy) {
  using Tile = QueriesTile<D, M>;
  using Rows = FlashRows<D>;
  constexpr int steps = Rows::steps;
  const PrefillAttentionBackward& a = p.op;
  const int32_t queries_a_block = static_cast<int32_t>(blockDim.x) / warp_size * Tile::queries;
  char* const shared = dynamic_shared<char>();
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int32_t packed = a.shape.packed_width();

  wait_for_previous_kernel();
  let_next_kernel_start();
  const auto copy_tile = [&](int t, int buffer) {
    const QueriesPlace place(p, anew(blockIdx.x), queries_a_block);
    char* const to = shared + buffer * (2 * Tile::key_bytes);
    const auto kv_head = static_cast<int32_t>(p.grouped.quotient(static_cast<uint32_t>(place.head)));
    const bf16* const k = a.qkv + (place.row + place.first_key + t * flash_keys) * packed + a.shape.width() +
                          kv_head * a.shape.head_size;
    const int there = place.keys - t * flash_keys;
    Rows::copy(to, k, packed, flash_keys, there, copy);
    Rows::copy(to + Tile::key_bytes, k + a.shape.kv_width(), packed, flash_keys, there, copy);
    copy_async_commit();
  };
  uint32_t q[M][steps][4];
  uint32_t d_out[M][steps][4];
  float d_q[M][D][4];
  float log_sum[M][2];  ///< of weights, base 2
  float mean[M][2];
  {
    const QueriesPlace own(p, blockIdx.x, queries_a_block);
    const int first_row = static_cast<int>(threadIdx.x) / warp_size * Tile::queries;
    char* const query_rows = shared + 4 * Tile::key_bytes;
    char* const d_out_rows = query_rows + queries_a_block * Rows::row_bytes;
    Rows::zero_padding(shared, 4 * flash_keys + 2 * queries_a_block, a.shape.head_size);
    const int64_t row = own.row + own.first;
    const int32_t column = own.head * a.shape.head_size;
    Rows::copy(query_rows, a.qkv + row * packed + column, packed, queries_a_block, a.units - own.first, copy);
    Rows::copy(d_out_rows, a.d_out + row * a.shape.width() + column, a.shape.width(), queries_a_block,
               a.units - own.first, copy);
    copy_async_commit();
    copy_tile(0, 0);
    const float* const sums = p.sums(own.sequence, own.head);
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int32_t unit = own.first + first_row + 16 * m + 8 * h + lane / 4;
        const auto of_query = load_pack<2>(sums + 2 * static_cast<int64_t>(min(unit, a.units - 1)));
        log_sum[m][h] = of_query.v[0];
        mean[m][h] = of_query.v[1];
      }
    }
    copy_async_wait<1>();
    __syncthreads();
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int s = 0; s < steps; ++s) {
        Rows::load_left(q[m][s], query_rows, Rows::left_offset(first_row + 16 * m), s);
        Rows::load_left(d_out[m][s], d_out_rows, Rows::left_offset(first_row + 16 * m), s);
      }
#pragma unroll
      for (int d = 0; d < D; ++d) {
#pragma unroll
        for (int i = 0; i < 4; ++i) d_q[m][d][i] = 0.0f;
      }
    }
  }

  int t = 0;
  for (bool more = true; more;) {
    copy_async_wait<0>();
    __syncthreads();  // the tile is there, and nobody is at work on the one before
    const QueriesPlace place(p, anew(blockIdx.x), queries_a_block);
    const int in_buffer = t % 2 * (2 * Tile::key_bytes);
    const int32_t first_key = place.first_key + t * flash_keys;
    ++t;
    more = t < place.tiles();
    if (more) copy_tile(t, t % 2);
    // Keys of the tile that some query of the warp sees, and those that all of them see.
    const int32_t warp_first =
        place.first + static_cast<int32_t>(anew(threadIdx.x)) / warp_size * Tile::queries;
    const int32_t warp_last = min(warp_first + Tile::queries, a.units) - 1;
    const int row_end = warp_first < a.units ? min(warp_last + 1 - first_key, flash_keys) : 0;
    const int all_see_from = p.first(warp_last) - first_key;
    const int all_see_to = warp_first + 1 - first_key;
    const bool few = p.some_see_few(warp_first, warp_last);
    int term = 0;
#pragma unroll 1
    for (int row = max(p.first(warp_first) - first_key, 0) & ~15; row < row_end; row += term == 0 ? 16 : 0) {
      const int right = Rows::right_offset(0) + in_buffer + row * Rows::row_bytes;
      uint32_t d_w[M][4];
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        float weights[M][4];
        float d_weights[M][4];
#pragma unroll
        for (int m = 0; m < M; ++m) {
#pragma unroll
          for (int j = 0; j < 4; ++j) weights[m][j] = d_weights[m][j] = 0.0f;
        }
#pragma unroll
        for (int s = 0; s < steps; s += 2) {
          uint32_t b[2][2];
          uint32_t d_b[2][2];
          Rows::load_right(b[0], b[1], shared, right + 8 * n * Rows::row_bytes, s / 2);
          Rows::load_right(d_b[0], d_b[1], shared + Tile::key_bytes, right + 8 * n * Rows::row_bytes, s / 2);
#pragma unroll
          for (int i = 0; i < 2; ++i) {
#pragma unroll
            for (int m = 0; m < M; ++m) Rows::multiply(weights[m], q[m][s + i], b[i], s + i);
#pragma unroll
            for (int m = 0; m < M; ++m) Rows::multiply(d_weights[m], d_out[m][s + i], d_b[i], s + i);
          }
        }
        if (row < all_see_from || row + 16 > all_see_to) {
#pragma unroll
          for (int m = 0; m < M; ++m) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
              const int32_t unit = warp_first + 16 * m + 8 * h + lane / 4;
              const int32_t begin = p.first(unit);
#pragma unroll
              for (int j = 0; j < 2; ++j) {
                const int32_t key = first_key + row + 8 * n + 2 * (lane % 4) + j;
                if (key < begin || key > unit) weights[m][2 * h + j] = -INFINITY;
              }
            }
          }
        }
#pragma unroll
        for (int m = 0; m < M; ++m) {
#pragma unroll
          for (int j = 0; j < 4; ++j) {
            const float weight = fast_exp2(fmaf(weights[m][j], p.scale, -log_sum[m][j / 2]));
            d_weights[m][j] = weight * (d_weights[m][j] - mean[m][j / 2]);
          }
        }
        if (term != 0) {
#pragma unroll
          for (int m = 0; m < M; ++m) keep_rests(d_weights[m]);
        }
#pragma unroll
        for (int m = 0; m < M; ++m) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            d_w[m][2 * n + h] = to_bf16_pair(d_weights[m][2 * h], d_weights[m][2 * h + 1]);
          }
        }
      }
      const int by_rows = Rows::right_by_rows_offset(0) + in_buffer + row * Rows::row_bytes;
#pragma unroll
      for (int d = 0; d < D; d += 2) {
        uint32_t b0[2];
        uint32_t b1[2];
        Rows::load_right_by_rows(b0, b1, shared, by_rows, d);
#pragma unroll
        for (int m = 0; m < M; ++m) {
          mma_m16n8k16(d_q[m][d], d_w[m], b0);
          if (d + 1 < D) mma_m16n8k16(d_q[m][d + 1], d_w[m], b1);
        }
      }
      term = few && term == 0 ? 1 : 0;
    }
  }

  const QueriesPlace place(p, anew(blockIdx.x), queries_a_block);
  const int32_t warp_first =
      place.first + static_cast<int32_t>(anew(threadIdx.x)) / warp_size * Tile::queries;
  bf16* const to = a.d_qkv + (place.row + warp_first) * packed + place.head * a.shape.head_size;
#pragma unroll
  for (int m = 0; m < M; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int row = 16 * m + 8 * h + lane / 4;
      if (warp_first + row >= a.units) continue;
#pragma unroll
      for (int d = 0; d < D; ++d) {
        const int column = 8 * d + 2 * (lane % 4);
        if (column >= a.shape.head_size) continue;
        const float* const x = d_q[m][d] + 2 * h;
        store_pairs<2>(to + static_cast<int64_t>(row) * packed + column,
                       {{to_bf16_pair(x[0] * p.factor, x[1] * p.factor)}});
      }
    }
  }
}

template <int D, int M>
void launch(Stream& stream, const PrefillAttentionBackward& a) {
  using Tile = QueriesTile<D, M>;
  constexpr int most_warps = 4;
  const FlashCopy copy(a.shape.head_size);
  const int32_t warps =
      std::clamp((a.units + Tile::queries - 1) / Tile::queries, copy.least_warps(), most_warps);
  const int32_t tiles = (a.units + warps * Tile::queries - 1) / (warps * Tile::queries);
  const BackwardKernel p = backward_kernel(a, a.shape.heads, tiles);
  const Grid grid{dim3(static_cast<unsigned>(a.sequences * a.shape.heads * tiles)),
                  static_cast<unsigned>(warps * warp_size), Tile::shared_bytes(warps)};
  stream.launch({"prefill_attention_backward", backward_queries_work(a)}, grid,
                prefill_attention_backward_queries_kernel<D, M>, p, copy);
}

}  // namespace

void prefill_attention_backward_queries(Stream& stream, const PrefillAttentionBackward& a) {
  if (a.shape.head_size > 64) {
    launch<16, 1>(stream, a);
  } else if (a.shape.head_size > 56) {
    launch<8, 2>(stream, a);
  } else {
    launch<7, 2>(stream, a);
  }
}

}  // namespace photon::PHOTON_GPU
