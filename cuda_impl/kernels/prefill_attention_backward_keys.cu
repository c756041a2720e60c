// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "cuda_impl/kernels/flash_rows.h"
#include "cuda_impl/kernels/prefill_attention_backward_parts.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int tile_queries = 64;

template <int D, int M>
struct KeysTile {
  using Rows = FlashRows<D>;
  static constexpr int keys = 16 * M;                                 ///< of a warp
  static constexpr int query_bytes = tile_queries * Rows::row_bytes;  ///< of q, and of the gradient
  static constexpr int buffer_bytes = 2 * query_bytes + tile_queries * static_cast<int>(2 * sizeof(float));

  /// Queries with their gradients and sums, twice, then keys and values.
  static constexpr size_t shared_bytes(int warps) {
    return static_cast<size_t>(2 * buffer_bytes + 2 * warps * keys * Rows::row_bytes);
  }
};

/// What a block of `threads` threads works on: keys [first, ..) of a sequence's key head.
struct KeysPlace {
  int64_t row;  ///< of the sequence's first unit
  uint32_t sequence;
  int32_t kv_head;
  int32_t first;
  int32_t queries_end;

  __device__ KeysPlace(const BackwardKernel& p, uint32_t block, int32_t keys_a_block) {
    const uint32_t above = p.heads.quotient(block);
    kv_head = static_cast<int32_t>(block - above * p.heads.divisor());
    sequence = p.tiles.quotient(above);
    first = static_cast<int32_t>(above - sequence * p.tiles.divisor()) * keys_a_block;
    queries_end = min(p.end(min(first + keys_a_block, p.op.units) - 1), p.op.units);
    row = static_cast<int64_t>(sequence) * p.op.units;
  }
  /// Of queries.
  __device__ int32_t tiles() const { return (queries_end - first + tile_queries - 1) / tile_queries; }
};

constexpr uint32_t seen = 1;     ///< bit i: the i-th sixteen queries of a tile see some key of a warp
constexpr uint32_t partly = 16;  ///< but not each of them all
constexpr uint32_t few = 256;    ///< some query of the tile sees few keys

/// What is to be done with a tile of queries by a warp with keys [first_key, last_key] of the block.
__device__ uint32_t plan_of(const BackwardKernel& p, const KeysPlace& place, int first_key, int last_key,
                            int tile) {
  const int32_t unit = place.first + tile * tile_queries;
  uint32_t plan = p.some_see_few(unit, unit + tile_queries - 1) ? few : 0;
  const int32_t seen_to = min(p.end(place.first + last_key), place.queries_end);
  const int32_t all_see_to = p.end(place.first + first_key);
#pragma unroll
  for (int i = 0; i < tile_queries / 16; ++i) {
    const int32_t from = unit + 16 * i;
    if (from + 16 > place.first + first_key && from < seen_to) plan |= seen << i;
    if (from < place.first + last_key || from + 16 > all_see_to) plan |= partly << i;
  }
  return plan;
}

// A block for each (sequence, tile of keys, key's head). A warp holds 16 · M keys and values and their
// gradients in registers and goes through the queries of every head that reads them, 16 at a time: weights
// are made transposed, keys by queries, so that as they come out of one product they enter the next. While
// one tile of queries is worked on, the next is copied. The first tiles, which most queries see, come first.
template <int D, int M>
__global__ void __launch_bounds__(128, 2)
    prefill_attention_backward_keys_kernel(BackwardKernel p, FlashCopy copy) {
  using Tile = KeysTile<D, M>;
  using Rows = FlashRows<D>;
  constexpr int steps = Rows::steps;
  const PrefillAttentionBackward& a = p.op;
  const int32_t keys_a_block = static_cast<int32_t>(blockDim.x) / warp_size * Tile::keys;
  char* const shared = dynamic_shared<char>();
  const int lane = static_cast<int>(threadIdx.x) % warp_size;

  wait_for_previous_kernel();
  let_next_kernel_start();
  uint32_t own_k[M][steps][4];
  uint32_t own_v[M][steps][4];
  float d_k[M][D][4];
  float d_v[M][D][4];
  // What the queries of tile t, of the g-th head of the group, are copied from follows from the block's
  // number; registers are needed for other things.
  const auto copy_tile = [&](int g, int t, int buffer) {
    const KeysPlace place(p, anew(blockIdx.x), keys_a_block);
    char* const to = shared + buffer * Tile::buffer_bytes;
    const int32_t head = place.kv_head * static_cast<int32_t>(p.grouped.divisor()) + g;
    const int32_t unit = place.first + t * tile_queries;
    const int there = place.queries_end - unit;
    const int64_t row = place.row + unit;
    const int32_t column = head * a.shape.head_size;
    Rows::copy(to, a.qkv + row * a.shape.packed_width() + column, a.shape.packed_width(), tile_queries, there,
               copy);
    Rows::copy(to + Tile::query_bytes, a.d_out + row * a.shape.width() + column, a.shape.width(),
               tile_queries, there, copy);
    const float* const sums = p.sums(place.sequence, head) + 2 * unit;
    for (auto i = static_cast<int>(threadIdx.x); i < tile_queries; i += static_cast<int>(blockDim.x)) {
      copy_async<8>(to + 2 * Tile::query_bytes + 8 * i, sums + 2 * i, i < there);
    }
    copy_async_commit();
  };
  {
    const KeysPlace place(p, blockIdx.x, keys_a_block);
    for (int i = 0; i < 4; ++i) {
      Rows::zero_padding(shared + i / 2 * Tile::buffer_bytes + i % 2 * Tile::query_bytes, tile_queries,
                         a.shape.head_size);
    }
    char* const key_rows = shared + 2 * Tile::buffer_bytes;
    char* const value_rows = key_rows + keys_a_block * Rows::row_bytes;
    Rows::zero_padding(key_rows, 2 * keys_a_block, a.shape.head_size);
    const bf16* const k = a.qkv + (place.row + place.first) * a.shape.packed_width() + a.shape.width() +
                          place.kv_head * a.shape.head_size;
    Rows::copy(key_rows, k, a.shape.packed_width(), keys_a_block, a.units - place.first, copy);
    Rows::copy(value_rows, k + a.shape.kv_width(), a.shape.packed_width(), keys_a_block,
               a.units - place.first, copy);
    copy_async_commit();
    copy_tile(0, 0, 0);
    copy_async_wait<1>();
    __syncthreads();
    const int first_row = static_cast<int>(threadIdx.x) / warp_size * Tile::keys;
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int s = 0; s < steps; ++s) {
        Rows::load_left(own_k[m][s], key_rows, Rows::left_offset(first_row + 16 * m), s);
        Rows::load_left(own_v[m][s], value_rows, Rows::left_offset(first_row + 16 * m), s);
      }
#pragma unroll
      for (int d = 0; d < D; ++d) {
#pragma unroll
        for (int i = 0; i < 4; ++i) d_k[m][d][i] = d_v[m][d][i] = 0.0f;
      }
    }
  }

  const auto group = static_cast<int>(p.grouped.divisor());
  int t = 0;
  int g = 0;
  const auto advance = [&](int& tile, int& head) {
    const bool over = ++tile == KeysPlace(p, anew(blockIdx.x), keys_a_block).tiles();
    tile = over ? 0 : tile;
    head += over ? 1 : 0;
  };
  for (int buffer = 0; g < group; buffer ^= 1) {
    copy_async_wait<0>();
    __syncthreads();  // the tile is there, and nobody is at work on the one before
    int next_t = t;
    int next_g = g;
    advance(next_t, next_g);
    if (next_g < group) copy_tile(next_g, next_t, buffer ^ 1);
    const KeysPlace place(p, anew(blockIdx.x), keys_a_block);
    const int first_key = static_cast<int>(anew(threadIdx.x)) / warp_size * Tile::keys;
    const uint32_t plan = plan_of(p, place, first_key, first_key + Tile::keys - 1, t);
    const int in_buffer = buffer * Tile::buffer_bytes;
    int term = 0;
#pragma unroll 1
    for (int row = 0; row < tile_queries; row += term == 0 ? 16 : 0) {
      if ((plan & (seen << row / 16)) == 0) continue;
      const int right = Rows::right_offset(0) + in_buffer + row * Rows::row_bytes;
      uint32_t w[M][4];
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
          Rows::load_right(d_b[0], d_b[1], shared + Tile::query_bytes, right + 8 * n * Rows::row_bytes,
                           s / 2);
#pragma unroll
          for (int i = 0; i < 2; ++i) {
#pragma unroll
            for (int m = 0; m < M; ++m) Rows::multiply(weights[m], own_k[m][s + i], b[i], s + i);
#pragma unroll
            for (int m = 0; m < M; ++m) Rows::multiply(d_weights[m], own_v[m][s + i], d_b[i], s + i);
          }
        }
        if ((plan & (partly << row / 16)) != 0) {
          const KeysPlace here(p, anew(blockIdx.x), keys_a_block);
          const auto thread = static_cast<int>(anew(threadIdx.x));
#pragma unroll
          for (int m = 0; m < M; ++m) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
              const int key = thread / warp_size * Tile::keys + 16 * m + 8 * h + thread % warp_size / 4;
              const int end = p.end(here.first + key) - here.first;
#pragma unroll
              for (int j = 0; j < 2; ++j) {
                const int query = t * tile_queries + row + 8 * n + 2 * (thread % 4) + j;
                if (query < key || query >= end) weights[m][2 * h + j] = -INFINITY;
              }
            }
          }
        }
        const auto sums =
            load_pack<4>(reinterpret_cast<const float*>(shared + 2 * Tile::query_bytes + in_buffer) +
                         2 * (row + 8 * n + 2 * (lane % 4)));
#pragma unroll
        for (int m = 0; m < M; ++m) {
#pragma unroll
          for (int j = 0; j < 4; ++j) {
            weights[m][j] = fast_exp2(fmaf(weights[m][j], p.scale, -sums.v[j % 2 * 2]));
            d_weights[m][j] = weights[m][j] * (d_weights[m][j] - sums.v[j % 2 * 2 + 1]);
          }
        }
        if (term != 0) {
#pragma unroll
          for (int m = 0; m < M; ++m) {
            keep_rests(weights[m]);
            keep_rests(d_weights[m]);
          }
        }
#pragma unroll
        for (int m = 0; m < M; ++m) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            w[m][2 * n + h] = to_bf16_pair(weights[m][2 * h], weights[m][2 * h + 1]);
            d_w[m][2 * n + h] = to_bf16_pair(d_weights[m][2 * h], d_weights[m][2 * h + 1]);
          }
        }
      }
      const int by_rows = Rows::right_by_rows_offset(0) + in_buffer + row * Rows::row_bytes;
#pragma unroll
      for (int d = 0; d < D; d += 2) {
        uint32_t b0[2];
        uint32_t b1[2];
        Rows::load_right_by_rows(b0, b1, shared + Tile::query_bytes, by_rows, d);
#pragma unroll
        for (int m = 0; m < M; ++m) {
          mma_m16n8k16(d_v[m][d], w[m], b0);
          if (d + 1 < D) mma_m16n8k16(d_v[m][d + 1], w[m], b1);
        }
        Rows::load_right_by_rows(b0, b1, shared, by_rows, d);
#pragma unroll
        for (int m = 0; m < M; ++m) {
          mma_m16n8k16(d_k[m][d], d_w[m], b0);
          if (d + 1 < D) mma_m16n8k16(d_k[m][d + 1], d_w[m], b1);
        }
      }
      term = term == 0 && (plan & few) != 0 ? 1 : 0;
    }
    advance(t, g);
  }

  const KeysPlace place(p, anew(blockIdx.x), keys_a_block);
  const int32_t first_key = place.first + static_cast<int32_t>(anew(threadIdx.x)) / warp_size * Tile::keys;
  bf16* const to =
      a.d_qkv + place.row * a.shape.packed_width() + a.shape.width() + place.kv_head * a.shape.head_size;
#pragma unroll
  for (int m = 0; m < M; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int32_t key = first_key + 16 * m + 8 * h + lane / 4;
      if (key >= a.units) continue;
      bf16* const row = to + static_cast<int64_t>(key) * a.shape.packed_width();
#pragma unroll
      for (int d = 0; d < D; ++d) {
        const int column = 8 * d + 2 * (lane % 4);
        if (column >= a.shape.head_size) continue;
        const float* const x = d_k[m][d] + 2 * h;
        const float* const y = d_v[m][d] + 2 * h;
        store_pairs<2>(row + column, {{to_bf16_pair(x[0] * p.factor, x[1] * p.factor)}});
        store_pairs<2>(row + a.shape.kv_width() + column, {{to_bf16_pair(y[0], y[1])}});
      }
    }
  }
}

template <int D, int M>
void launch(Stream& stream, const PrefillAttentionBackward& a) {
  using Tile = KeysTile<D, M>;
  constexpr int most_warps = 4;
  const FlashCopy copy(a.shape.head_size);
  const int32_t warps = std::clamp((a.units + Tile::keys - 1) / Tile::keys, copy.least_warps(), most_warps);
  const int32_t tiles = (a.units + warps * Tile::keys - 1) / (warps * Tile::keys);
  const BackwardKernel p = backward_kernel(a, a.shape.kv_heads, tiles);
  const Grid grid{dim3(static_cast<unsigned>(a.sequences * a.shape.kv_heads * tiles)),
                  static_cast<unsigned>(warps * warp_size), Tile::shared_bytes(warps)};
  stream.launch({"prefill_attention_backward", backward_keys_work(a)}, grid,
                prefill_attention_backward_keys_kernel<D, M>, p, copy);
}

}  // namespace

void prefill_attention_backward_keys(Stream& stream, const PrefillAttentionBackward& a) {
  if (a.shape.head_size > 64) {
    launch<16, 1>(stream, a);
  } else if (a.shape.head_size > 56) {
    launch<8, 2>(stream, a);
  } else {
    launch<7, 2>(stream, a);
  }
}

}  // namespace photon::PHOTON_GPU
