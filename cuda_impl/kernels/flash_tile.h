// SPDX-License-Identifier: Apache-2.0
// Attention on tensor cores, tile by tile of keys (Dao et al. 2022): what prefill and many queries of the
// same keys have in common. A block holds 16 · M query rows a warp in registers and walks over its keys;
// while one tile is worked on, the next is copied to shared memory. Softmax in float, online, rescaled once a
// tile.
//
// A tile in shared memory is 64 rows of 64 or 128 elements, heads of 52, 56, 60, .. padded with zeros there
// and nowhere else. The 16-byte chunks of row r are stored at chunk ^ (r % 8): the eight rows that ldmatrix
// takes at a time, 128 or 256 bytes apart, then lie in eight different groups of four banks.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

constexpr int flash_keys = 64;  ///< a tile
constexpr int largest_flash_head = 128;

/// Keys and values of a block: row i at slot first_slot + i, slot 0 after slot capacity - 1.
struct FlashKeys {
  const bf16* k = nullptr;
  const bf16* v = nullptr;
  int32_t stride = 0;  ///< elements between slots
  int32_t first_slot = 0;
  int32_t capacity = 0;
  int32_t count = 0;  ///< rows
};

/// How a head's row is copied: `chunks` pieces of `bytes`, each by one of 2^lane_bits lanes.
struct FlashCopy {
  int32_t head_size;
  int32_t bytes;  ///< 4, 8 or 16
  int32_t chunks;
  int32_t lane_bits;

  explicit FlashCopy(int32_t size) : head_size(size), bytes(size % 8 == 0 ? 16 : size % 4 == 0 ? 8 : 4) {
    chunks = 2 * size / bytes;
    lane_bits = 0;
    while ((1 << lane_bits) < chunks) ++lane_bits;
  }

  /// That a block needs for a row: two for odd sizes above 64.
  int32_t least_warps() const { return lane_bits > 5 ? 2 : 1; }
};

/// D: tiles of 8 elements of a head's row that are computed, 7, 8 or up to 16; M: tiles of 16 queries a warp;
/// ring: slots may pass the capacity; precise: weights enter their products as two bf16 each, 16 bits instead
/// of 8, for where bytes bind and products cost nothing; summed: the weights are added up as they are, too.
/// `visible` says of this lane's query h (0, 1) of tile
/// m, number 16 m + 8 h + lane / 4 of the warp, whether one is there, present(m, h), and that it sees the
/// keys begin(m, h) <= i < end(m, h).
template <int D, int M, bool ring, bool precise, bool summed = false>
class FlashTile {
 public:
  static constexpr int padded = D <= 8 ? 64 : 128;  ///< elements of a row in shared memory
  static constexpr int row_bytes = 2 * padded;
  static constexpr int tile_bytes = flash_keys * row_bytes;
  static constexpr int steps = (D + 1) / 2;  ///< of 16 elements of a head's row
  static constexpr int rows = 16 * M;        ///< queries of a warp

  /// Keys and values, twice, and the queries.
  static constexpr size_t shared_bytes(unsigned warps) {
    return static_cast<size_t>(4 * tile_bytes) + warps * (rows * row_bytes);
  }

  float out[M][D][4];  ///< as mma lays out: rows lane / 4 and + 8, columns 8 d + 2 (lane % 4) and + 1
  float most[M][2];    ///< of the scores as they are
  float norm[M][4];    ///< sums of weights as rounded, as `out`, the same in every column
  float sum[summed ? M : 1][2];  ///< of weights as they are, of this lane's columns; lane's quad adds up

  /// By all threads of the block, with `shared_bytes` of dynamic shared memory. `query(r)` is row r of the
  /// block's queries, null if there is none; `scale` makes powers of two of the scores.
  template <class Query, class Visible>
  __device__ void attend(const Query& query, const FlashKeys& keys, const FlashCopy& copy,
                         const Visible& visible, float scale) {
    char* const shared = dynamic_shared<char>();
    find_range(visible);
    clear();
    zero_padding(shared, copy.head_size);
    if (copy.bytes == 16) {
      copy_queries<16>(shared + 4 * tile_bytes, query, copy);
    } else if (copy.bytes == 8) {
      copy_queries<8>(shared + 4 * tile_bytes, query, copy);
    } else {
      copy_queries<4>(shared + 4 * tile_bytes, query, copy);
    }
    const int tiles = (keys.count + flash_keys - 1) / flash_keys;
#pragma unroll 1
    for (int t = -1; t < tiles; ++t) {
      if (t >= 0) {
        copy_async_wait<0>();
        __syncthreads();  // the tile is there, and nobody is at work on the one before
      }
      if (t + 1 < tiles) copy_tile(shared + (t + 1) % 2 * (2 * tile_bytes), keys, copy, t + 1);
      const int first = t * flash_keys;
      if (t >= 0 && first < seen_to_ && first + flash_keys > seen_from_) {
        const int warp = static_cast<int>(threadIdx.x) / warp_size;
        work_on(shared + 4 * tile_bytes + warp * rows * row_bytes, shared + t % 2 * (2 * tile_bytes), visible,
                first, scale);
      }
    }
  }

 private:
  static __device__ int chunk_at(int row, int chunk) {
    return row * row_bytes + ((chunk ^ (row & 7)) << 4);
  }

  __device__ void clear() {
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (float& x : most[m]) x = -INFINITY;
#pragma unroll
      for (float& x : norm[m]) x = 0.0f;
      if constexpr (summed) sum[m][0] = sum[m][1] = 0.0f;
#pragma unroll
      for (int d = 0; d < D; ++d) {
#pragma unroll
        for (float& x : out[m][d]) x = 0.0f;
      }
    }
  }

  /// Keys that some query of the warp sees, and those that all of them see.
  template <class Visible>
  __device__ void find_range(const Visible& visible) {
    constexpr int none = 0x7fffffff;
    int from = none;
    int to = 0;
    int all_from = 0;
    int all_to = none;
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        if (!visible.present(m, h)) continue;
        from = min(from, visible.begin(m, h));
        to = max(to, visible.end(m, h));
        all_from = max(all_from, visible.begin(m, h));
        all_to = min(all_to, visible.end(m, h));
      }
    }
    seen_from_ = __reduce_min_sync(full_warp, from);
    seen_to_ = __reduce_max_sync(full_warp, to);
    all_see_from_ = __reduce_max_sync(full_warp, all_from);
    all_see_to_ = __reduce_min_sync(full_warp, all_to);
  }

  /// What copies never write: a product with it must be 0.
  static __device__ void zero_padding(char* shared, int32_t head_size) {
    const auto threads = static_cast<int>(blockDim.x);
    const int all = 4 * flash_keys + threads / warp_size * rows;
    for (int row = static_cast<int>(threadIdx.x); row < all; row += threads) {
      for (int byte = 2 * head_size; byte < row_bytes; byte += 4) {
        *reinterpret_cast<uint32_t*>(shared + chunk_at(row, byte / 16) + byte % 16) = 0u;
      }
    }
  }

  template <int Bytes, class Query>
  static __device__ void copy_queries(char* to, const Query& query, const FlashCopy& copy) {
    const int thread = static_cast<int>(threadIdx.x);
    const int chunk = thread & ((1 << copy.lane_bits) - 1);
    if (chunk >= copy.chunks) return;
    const int rows_at_once = static_cast<int>(blockDim.x) >> copy.lane_bits;
    const int all = static_cast<int>(blockDim.x) / warp_size * rows;
    for (int row = thread >> copy.lane_bits; row < all; row += rows_at_once) {
      const bf16* const from = query(row);
      char* const at = to + chunk_at(row, chunk * Bytes / 16) + chunk * Bytes % 16;
      copy_async<Bytes>(at, from + chunk * (Bytes / 2), from != nullptr);
    }
  }

  /// Rows of tile `tile`, each by the lanes of a group; zeros beyond the last key.
  template <int Bytes, bool full>
  static __device__ void copy_rows(char* to, const FlashKeys& keys, const FlashCopy& copy, int tile) {
    const int thread = static_cast<int>(threadIdx.x);
    const int chunk = thread & ((1 << copy.lane_bits) - 1);
    if (chunk >= copy.chunks) return;
    const int first = thread >> copy.lane_bits;
    const int rows_at_once = static_cast<int>(blockDim.x) >> copy.lane_bits;
    const int left = keys.count - tile * flash_keys;
    int slot = keys.first_slot + tile * flash_keys + first;
    const int64_t stride = keys.stride;
    const int wrapped = ring && slot >= keys.capacity ? slot - keys.capacity : slot;
    const bf16* k = settled(keys.k + wrapped * stride + chunk * (Bytes / 2));
    const bf16* v = settled(keys.v + wrapped * stride + chunk * (Bytes / 2));
#pragma unroll 4
    for (int row = first; row < flash_keys; row += rows_at_once) {
      const bool there = full || row < left;
      char* const at = to + chunk_at(row, chunk * Bytes / 16) + chunk * Bytes % 16;
      copy_async<Bytes>(at, k, there);
      copy_async<Bytes>(at + tile_bytes, v, there);
      int64_t step = rows_at_once * stride;
      if constexpr (ring) {
        slot += rows_at_once;
        if (slot >= keys.capacity && slot - rows_at_once < keys.capacity) step -= keys.capacity * stride;
      }
      k += step;
      v += step;
    }
  }

  static __device__ void copy_tile(char* to, const FlashKeys& keys, const FlashCopy& copy, int tile) {
    const bool full = (tile + 1) * flash_keys <= keys.count;
    if (copy.bytes == 16) {
      full ? copy_rows<16, true>(to, keys, copy, tile) : copy_rows<16, false>(to, keys, copy, tile);
    } else if (copy.bytes == 8) {
      full ? copy_rows<8, true>(to, keys, copy, tile) : copy_rows<8, false>(to, keys, copy, tile);
    } else {
      copy_rows<4, false>(to, keys, copy, tile);
    }
    copy_async_commit();
  }

  template <class Visible>
  __device__ void work_on(const char* q, const char* k, const Visible& visible, int first, float scale) {
    const char* const v = k + tile_bytes;
    constexpr int columns = flash_keys / 8;
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    float scores[M][columns][4];
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int n = 0; n < columns; ++n) {
#pragma unroll
        for (float& x : scores[m][n]) x = 0.0f;
      }
    }
    // Of queries, matrices 0 and 1 are elements 0-7 of rows 0-7 and 8-15, 2 and 3 elements 8-15; of keys, 0
    // and 1 are elements 0-7 and 8-15 of rows 0-7, 2 and 3 of rows 8-15.
    const int query_row = lane % 16;
    const int query_chunk = lane / 16;
    const int key_row = lane % 8 + lane / 16 * 8;
    const int key_chunk = lane / 8 % 2;
#pragma unroll
    for (int s = 0; s < steps; ++s) {
      uint32_t a[M][4];
#pragma unroll
      for (int m = 0; m < M; ++m) load_matrix_x4(a[m], q + chunk_at(16 * m + query_row, 2 * s + query_chunk));
#pragma unroll
      for (int n = 0; n < columns; n += 2) {
        uint32_t b[4];
        load_matrix_x4(b, k + chunk_at(8 * n + key_row, 2 * s + key_chunk));
        const uint32_t b0[2] = {b[0], b[1]};
        const uint32_t b1[2] = {b[2], b[3]};
#pragma unroll
        for (int m = 0; m < M; ++m) {
          mma_m16n8k16(scores[m][n], a[m], b0);
          mma_m16n8k16(scores[m][n + 1], a[m], b1);
        }
      }
    }
    if (first < all_see_from_ || first + flash_keys > all_see_to_) {
      const int first_of_lane = first + 2 * (lane % 4);
#pragma unroll
      for (int m = 0; m < M; ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          const int begin = visible.begin(m, h) - first_of_lane;
          const int end = visible.end(m, h) - first_of_lane;
#pragma unroll
          for (int n = 0; n < columns; ++n) {
#pragma unroll
            for (int i = 0; i < 2; ++i) {
              if (8 * n + i < begin || 8 * n + i >= end) scores[m][n][2 * h + i] = -INFINITY;
            }
          }
        }
      }
    }
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float high = most[m][h];
#pragma unroll
        for (int n = 0; n < columns; ++n) {
          high = fmaxf(high, fmaxf(scores[m][n][2 * h], scores[m][n][2 * h + 1]));
        }
        high = fmaxf(high, __shfl_xor_sync(full_warp, high, 1));
        high = fmaxf(high, __shfl_xor_sync(full_warp, high, 2));
        const float reference = high == -INFINITY ? 0.0f : high * scale;
        const float keep = fast_exp2(fmaf(most[m][h], scale, -reference));
        most[m][h] = high;
        norm[m][2 * h] *= keep;
        norm[m][2 * h + 1] *= keep;
        if constexpr (summed) sum[m][h] *= keep;
#pragma unroll
        for (int d = 0; d < D; ++d) {
          out[m][d][2 * h] *= keep;
          out[m][d][2 * h + 1] *= keep;
        }
#pragma unroll
        for (int n = 0; n < columns; ++n) {
#pragma unroll
          for (int i = 2 * h; i < 2 * h + 2; ++i) {
            scores[m][n][i] = fast_exp2(fmaf(scores[m][n][i], scale, -reference));
            if constexpr (summed) sum[m][h] += scores[m][n][i];
          }
        }
      }
    }
    // What is summed up for the norm has to be the weights as they were rounded: with sums of the weights
    // themselves a row of nearly equal ones would be off as a whole.
    constexpr uint32_t ones[2] = {0x3f803f80u, 0x3f803f80u};
    constexpr int terms = precise ? 2 : 1;
    // Matrices 0 and 1 are keys 0-7 and 8-15 of elements 0-7, matrices 2 and 3 of elements 8-15.
    const int value_row = lane % 16;
    const int value_chunk = lane / 16;
#pragma unroll
    for (int s = 0; s < flash_keys / 16; ++s) {
      uint32_t weights[M][terms][4];
#pragma unroll
      for (int m = 0; m < M; ++m) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float* pair = scores[m][2 * s + i / 2] + i % 2 * 2;
          const uint32_t high = to_bf16_pair(pair[0], pair[1]);
          weights[m][0][i] = high;
          if constexpr (precise) {
            weights[m][1][i] = to_bf16_pair(pair[0] - first_of_pair(high), pair[1] - second_of_pair(high));
          }
        }
#pragma unroll
        for (int t = 0; t < terms; ++t) mma_m16n8k16(norm[m], weights[m][t], ones);
      }
#pragma unroll
      for (int d = 0; d < D; d += 2) {
        uint32_t b[4];
        load_matrix_x4_transposed(b, v + chunk_at(16 * s + value_row, d + value_chunk));
        const uint32_t b0[2] = {b[0], b[1]};
        const uint32_t b1[2] = {b[2], b[3]};
#pragma unroll
        for (int m = 0; m < M; ++m) {
#pragma unroll
          for (int t = 0; t < terms; ++t) {
            mma_m16n8k16(out[m][d], weights[m][t], b0);
            if (d + 1 < D) mma_m16n8k16(out[m][d + 1], weights[m][t], b1);
          }
        }
      }
    }
  }

  int32_t seen_from_;
  int32_t seen_to_;
  int32_t all_see_from_;
  int32_t all_see_to_;
};

}  // namespace photon::PHOTON_GPU
