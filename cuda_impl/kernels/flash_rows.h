// SPDX-License-Identifier: Apache-2.0
// Rows of a head in shared memory as flash_tile.h lays them out, for kernels that hold other things there
// than two tiles of keys and values: 64 or 128 elements a row, zeros beyond the head's size, 16-byte chunks
// at chunk ^ (row % 8).
#pragma once

#include <cstdint>

#include "cuda_impl/kernels/flash_tile.h"

namespace photon::PHOTON_GPU {

template <int D>
struct FlashRows {
  static constexpr int padded = D <= 8 ? 64 : 128;  ///< elements of a row
  static constexpr int row_bytes = 2 * padded;
  static constexpr int steps = (D + 3) / 4 * 2;     ///< of 16 elements, an even number
  static constexpr bool half_step = D < 2 * steps;  ///< the last step's second half is padding

  static __device__ int chunk_at(int row, int chunk) { return row * row_bytes + ((chunk ^ (row & 7)) << 4); }

  /// What copies never write: a product with it must be 0.
  static __device__ void zero_padding(char* shared, int rows, int32_t head_size) {
    for (int row = static_cast<int>(threadIdx.x); row < rows; row += static_cast<int>(blockDim.x)) {
      for (int byte = 2 * head_size; byte < row_bytes; byte += 4) {
        *reinterpret_cast<uint32_t*>(shared + chunk_at(row, byte / 16) + byte % 16) = 0u;
      }
    }
  }

  /// Starts copies of `rows` rows that lie `stride` elements apart; from row `there` on they become zeros. By
  /// all threads of the block.
  static __device__ void copy(char* to, const bf16* from, int32_t stride, int rows, int there,
                              const FlashCopy& copy) {
    if (copy.bytes == 16) {
      copy_chunks<16>(to, from, stride, rows, there, copy);
    } else if (copy.bytes == 8) {
      copy_chunks<8>(to, from, stride, rows, there, copy);
    } else {
      copy_chunks<4>(to, from, stride, rows, there, copy);
    }
  }

  // Where this lane finds its part of 16 rows from `row` on, a multiple of 8: an offset in bytes to which
  // multiples of 16 rows may be added, and which each load flips bits of, so that nothing else is kept or
  // computed. Left factors of products; right ones whose columns are rows; right ones whose columns are
  // elements.
  static __device__ int left_offset(int row) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    return chunk_at(row + lane % 16, lane / 16);
  }
  static __device__ int right_offset(int row) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    return chunk_at(row + lane % 8, lane / 8);
  }
  static __device__ int right_by_rows_offset(int row) {
    const auto lane = static_cast<int>(anew(threadIdx.x)) % warp_size;
    return chunk_at(row + lane % 16, lane / 16);
  }

  /// 16 rows by elements [16 step, 16 step + 16).
  static __device__ void load_left(uint32_t (&a)[4], const char* rows, int offset, int step) {
    load_matrix_x4(a, rows + (offset ^ (step << 5)));
  }
  /// Eight rows, the columns, by elements [32 pair, 32 pair + 32): of two steps.
  static __device__ void load_right(uint32_t (&first)[2], uint32_t (&second)[2], const char* rows, int offset,
                                    int pair) {
    uint32_t b[4];
    load_matrix_x4(b, rows + (offset ^ (pair << 6)));
    first[0] = b[0];
    first[1] = b[1];
    second[0] = b[2];
    second[1] = b[3];
  }
  /// d += the product of what left and right hold of a step.
  static __device__ void multiply(float (&d)[4], const uint32_t (&left)[4], const uint32_t (&right)[2],
                                  int step) {
    if (half_step && step == steps - 1) {
      const uint32_t a[2] = {left[0], left[1]};
      const uint32_t b[1] = {right[0]};
      mma_m16n8k8(d, a, b);
    } else {
      mma_m16n8k16(d, left, right);
    }
  }

  /// Sums are over the 16 rows; columns are elements [8 d, 8 d + 8) and the next eight, d even.
  static __device__ void load_right_by_rows(uint32_t (&first)[2], uint32_t (&second)[2], const char* rows,
                                            int offset, int d) {
    uint32_t b[4];
    load_matrix_x4_transposed(b, rows + (offset ^ (d << 4)));
    first[0] = b[0];
    first[1] = b[1];
    second[0] = b[2];
    second[1] = b[3];
  }

 private:
  template <int Bytes>
  static __device__ void copy_chunks(char* to, const bf16* from, int32_t stride, int rows, int there,
                                     const FlashCopy& copy) {
    const auto thread = static_cast<int>(anew(threadIdx.x));
    const int chunk = thread & ((1 << copy.lane_bits) - 1);
    if (chunk >= copy.chunks) return;
    const int first = thread >> copy.lane_bits;
    const int rows_at_once = static_cast<int>(blockDim.x) >> copy.lane_bits;
    const bf16* source = settled(from + static_cast<int64_t>(first) * stride + chunk * (Bytes / 2));
    const int64_t step = static_cast<int64_t>(rows_at_once) * stride;
#pragma unroll 1
    for (int row = first; row < rows; row += rows_at_once) {
      copy_async<Bytes>(to + chunk_at(row, chunk * Bytes / 16) + chunk * Bytes % 16, source, row < there);
      source += step;
    }
  }
};

}  // namespace photon::PHOTON_GPU
