// SPDX-License-Identifier: Apache-2.0
// A row of one attention head in the registers of a group of lanes: lane j of G holds packs j, j + G, .. of P
// elements, N of them. Eight lanes of 16 bytes hold a head of 64, of 8 bytes twice one of 52 or 60, so that a
// warp works on four rows at once and a sum over a row is three shuffles. Lanes beyond the head's size hold
// copies of its first pack: nothing is branched on or cleared, and where sums are taken the other factor is
// 0.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

template <int P, int N, int G>
struct alignas(P* N % 8 == 0 ? 16 : 8) HeadRow {
  static constexpr int group = G;         ///< lanes that hold a row together
  static constexpr int elements = N * P;  ///< of a lane
  static constexpr int packs = N;         ///< of a lane
  static constexpr int pack_size = P;

  uint32_t pairs[N * P / 2];

  /// Where in a head this lane's elements are.
  struct Place {
    uint32_t pack[N];  ///< first element
    bool inside[N];    ///< of the head's size

    __device__ explicit Place(int head_size) {
      const uint32_t lane = threadIdx.x % G;
#pragma unroll
      for (int n = 0; n < N; ++n) {
        const uint32_t element = (lane + n * G) * P;
        inside[n] = element < static_cast<uint32_t>(head_size);
        pack[n] = inside[n] ? element : 0;
      }
    }
  };

  /// The row `offset` elements after `rows`. Lanes differ in 32 bits, which costs half of what pointers
  /// would.
  static __device__ HeadRow load(const bf16* rows, uint32_t offset, const Place& place) {
    HeadRow out;
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const auto pack = load_pairs<P>(rows + (offset + place.pack[n]));
#pragma unroll
      for (int i = 0; i < P / 2; ++i) out.pairs[n * P / 2 + i] = pack.v[i];
    }
    return out;
  }
  /// For rows that the launch reads once.
  static __device__ HeadRow load_once(const bf16* rows, uint32_t offset, const Place& place) {
    HeadRow out;
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const auto pack = load_pairs_streaming<P>(rows + (offset + place.pack[n]));
#pragma unroll
      for (int i = 0; i < P / 2; ++i) out.pairs[n * P / 2 + i] = pack.v[i];
    }
    return out;
  }
  static __device__ HeadRow rounded(const float (&x)[elements], float scale = 1.0f) {
    HeadRow out;
#pragma unroll
    for (int i = 0; i < N * P / 2; ++i) out.pairs[i] = to_bf16_pair(scale * x[2 * i], scale * x[2 * i + 1]);
    return out;
  }
  __device__ void store(bf16* row, const Place& place) const {
#pragma unroll
    for (int n = 0; n < N; ++n) {
      Pack<uint32_t, P / 2> words;
#pragma unroll
      for (int i = 0; i < P / 2; ++i) words.v[i] = pairs[n * P / 2 + i];
      if (place.inside[n]) store_pairs<P>(row + place.pack[n], words);
    }
  }

  static __device__ void store_floats(const float (&x)[elements], float* row, const Place& place) {
    constexpr int width = P < 4 ? P : 4;
#pragma unroll
    for (int i = 0; i < elements; i += width) {
      Pack<float, width> some;
#pragma unroll
      for (int j = 0; j < width; ++j) some.v[j] = x[i + j];
      if (place.inside[i / P]) store_pack(row + place.pack[i / P] + i % P, some);
    }
  }

  /// x += the floats of a row.
  static __device__ void add_floats(const float* row, float (&x)[elements], const Place& place) {
    constexpr int width = P < 4 ? P : 4;
#pragma unroll
    for (int i = 0; i < elements; i += width) {
      const auto some = load_pack<width>(row + place.pack[i / P] + i % P);
#pragma unroll
      for (int j = 0; j < width; ++j) x[i + j] += some.v[j];
    }
  }

  __device__ float element(int i) const {
    return i % 2 == 0 ? first_of_pair(pairs[i / 2]) : second_of_pair(pairs[i / 2]);
  }
  /// This lane's part of the product with x.
  __device__ float dot(const float (&x)[elements]) const {
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < elements; ++i) sum = fmaf(x[i], element(i), sum);
    return sum;
  }
  /// sum += weight · row.
  __device__ void add_to(float (&sum)[elements], float weight) const {
#pragma unroll
    for (int i = 0; i < elements; ++i) sum[i] = fmaf(weight, element(i), sum[i]);
  }
  __device__ void to_floats(float (&x)[elements]) const {
#pragma unroll
    for (int i = 0; i < elements; ++i) x[i] = element(i);
  }
};

/// Sum over a group of G adjacent lanes, the same in each of them.
template <int G>
__device__ float group_sum(float x) {
#pragma unroll
  for (int step = G / 2; step > 0; step /= 2) x += __shfl_xor_sync(full_warp, x, step);
  return x;
}

constexpr int largest_head = 256;

/// call(HeadRow<..>{}) with the layout for a head size.
template <class Call>
void with_head_row(int head_size, Call call) {
  if (head_size < 2 || head_size % 2 != 0 || head_size > largest_head) {
    throw Error("attention with heads of " + std::to_string(head_size) + "; even sizes from 2 to " +
                std::to_string(largest_head) + " are supported");
  }
  if (head_size % 8 == 0) {
    if (head_size <= 64) return call(HeadRow<8, 1, 8>{});
    if (head_size <= 128) return call(HeadRow<8, 2, 8>{});
    return call(HeadRow<8, 1, 32>{});
  }
  if (head_size % 4 == 0) {
    if (head_size <= 64) return call(HeadRow<4, 2, 8>{});
    return call(HeadRow<4, 2, 32>{});
  }
  if (head_size <= 128) return call(HeadRow<2, 2, 32>{});
  return call(HeadRow<2, 4, 32>{});
}

}  // namespace photon::PHOTON_GPU
