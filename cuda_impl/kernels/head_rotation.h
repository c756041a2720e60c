// SPDX-License-Identifier: Apache-2.0
// Rotary positions (Su et al. 2021, half-split) on rows in registers. Element i of a head turns with element
// i + head_size / 2, so rows that turn, and those they are multiplied with, are laid out by halves: the first
// half of each of a lane's packs comes from the head's first half, the second holds their partners.
#pragma once

#include <cstdint>

#include "cuda_impl/kernels/head_row.h"

namespace photon::PHOTON_GPU {

template <class Row>
struct Halves {
  static constexpr int few = Row::pack_size / 2;  ///< adjacent elements

  uint32_t half;             ///< head_size / 2
  uint32_t low[Row::packs];  ///< where in a head this lane's elements of the first half are
  bool inside[Row::packs];   ///< of the head; lanes that are not hold copies
  float cos[Row::elements / 2];
  float sin[Row::elements / 2];

  __device__ explicit Halves(int head_size) : half(static_cast<uint32_t>(head_size / 2)) {
    const typename Row::Place place(head_size);
#pragma unroll
    for (int n = 0; n < Row::packs; ++n) {
      low[n] = place.pack[n] / 2;
      inside[n] = place.inside[n];
    }
  }

  __device__ Row load(const bf16* rows, uint32_t offset) const {
    Row out;
#pragma unroll
    for (int n = 0; n < Row::packs; ++n) {
      const bf16* from = rows + (offset + low[n]);
      const bf16* partners = rows + (offset + low[n] + half);
      if constexpr (few == 1) {
        out.pairs[n] = to_bf16_pair(to_float(*from), to_float(*partners));
      } else {
        const auto first = load_pairs<few>(from);
        const auto second = load_pairs<few>(partners);
#pragma unroll
        for (int i = 0; i < few / 2; ++i) {
          out.pairs[n * few + i] = first.v[i];
          out.pairs[n * few + few / 2 + i] = second.v[i];
        }
      }
    }
    return out;
  }
  __device__ void store(const Row& row, bf16* to) const {
#pragma unroll
    for (int n = 0; n < Row::packs; ++n) {
      if (!inside[n]) continue;
      if constexpr (few == 1) {
        to[low[n]] = to_bf16(row.element(2 * n));
        to[low[n] + half] = to_bf16(row.element(2 * n + 1));
      } else {
        Pack<uint32_t, few / 2> first;
        Pack<uint32_t, few / 2> second;
#pragma unroll
        for (int i = 0; i < few / 2; ++i) {
          first.v[i] = row.pairs[n * few + i];
          second.v[i] = row.pairs[n * few + few / 2 + i];
        }
        store_pairs<few>(to + low[n], first);
        store_pairs<few>(to + low[n] + half, second);
      }
    }
  }

  /// Those of one position: (head_size / 2, 2) of cos and sin.
  __device__ void load_angles(const float* rotations) {
    constexpr int width = few == 1 ? 2 : 4;
#pragma unroll
    for (int n = 0; n < Row::packs; ++n) {
#pragma unroll
      for (int i = 0; i < few; i += width / 2) {
        const auto turns = load_pack<width>(rotations + 2 * (low[n] + i));
#pragma unroll
        for (int j = 0; j < width / 2; ++j) {
          cos[n * few + i + j] = turns.v[2 * j];
          sin[n * few + i + j] = turns.v[2 * j + 1];
        }
      }
    }
  }
  __device__ void turn(const Row& row, float (&x)[Row::elements]) const {
#pragma unroll
    for (int n = 0; n < Row::packs; ++n) {
#pragma unroll
      for (int i = 0; i < few; ++i) {
        const float first = row.element(n * Row::pack_size + i);
        const float second = row.element(n * Row::pack_size + few + i);
        const float c = cos[n * few + i];
        const float s = sin[n * few + i];
        x[n * Row::pack_size + i] = first * c - second * s;
        x[n * Row::pack_size + few + i] = second * c + first * s;
      }
    }
  }
  /// The inverse, of gradients.
  __device__ void turn_back(float (&x)[Row::elements]) const {
#pragma unroll
    for (int n = 0; n < Row::packs; ++n) {
#pragma unroll
      for (int i = 0; i < few; ++i) {
        float& first = x[n * Row::pack_size + i];
        float& second = x[n * Row::pack_size + few + i];
        const float c = cos[n * few + i];
        const float s = sin[n * few + i];
        const float turned = first * c + second * s;
        second = second * c - first * s;
        first = turned;
      }
    }
  }

  /// x += the floats of a row.
  __device__ void add_floats(const float* row, float (&x)[Row::elements]) const {
#pragma unroll
    for (int n = 0; n < Row::packs; ++n) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const auto some = load_pack<few>(row + low[n] + static_cast<uint32_t>(h) * half);
#pragma unroll
        for (int i = 0; i < few; ++i) x[n * Row::pack_size + h * few + i] += some.v[i];
      }
    }
  }
  __device__ void store_floats(const float (&x)[Row::elements], float* row) const {
#pragma unroll
    for (int n = 0; n < Row::packs; ++n) {
      if (!inside[n]) continue;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        Pack<float, few> some;
#pragma unroll
        for (int i = 0; i < few; ++i) some.v[i] = x[n * Row::pack_size + h * few + i];
        store_pack(row + low[n] + static_cast<uint32_t>(h) * half, some);
      }
    }
  }
};

}  // namespace photon::PHOTON_GPU
