// SPDX-License-Identifier: Apache-2.0
// A warp's attention of a few queries over a long run of keys, each read once: what decoding is bound by.
// Each group of lanes takes every fourth key (with eight lanes a key) and has a softmax of its own, so lanes
// talk to each other only within a product; the groups are merged at the end. The keys of the next tile are
// on their way while the values of this one are added up, and the other way round: registers that hold a tile
// are loaded again as soon as it is used.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda_impl/kernels/head_row.h"

namespace photon::PHOTON_GPU {

/// A run of cached rows: key i lies `stride` elements after key i - 1, and slot 0 follows slot capacity - 1.
struct KeyRun {
  const bf16* k = nullptr;  ///< slot 0
  const bf16* v = nullptr;
  uint32_t stride = 0;
  int32_t first_slot = 0;  ///< of key 0
  int32_t capacity = 0;    ///< no more keys than that
};

/// Softmax under way: out / sum is its result, weights are 2^(score - most). A state of nothing is most =
/// -inf, sum = 0.
template <class Row, int Q>
struct StreamState {
  float out[Q][Row::elements];
  float most[Q];
  float sum[Q];
};

/// The exponent's reference: of nothing but -inf, 0, so that its weights are 0.
__device__ inline float finite_reference(float most) {
  return most == -INFINITY ? 0.0f : most;
}

/// Query j sees keys begin[j] <= i < end[j] of `count`; queries are scaled already. To be called by whole
/// warps; the result is that of the lane's group 0, in its lanes.
template <class Row, int Q>
__device__ StreamState<Row, Q> attend_stream(const float (&queries)[Q][Row::elements], const KeyRun& run,
                                             const typename Row::Place& place, int32_t count,
                                             const int32_t (&begin)[Q], const int32_t (&end)[Q]) {
  constexpr int groups = warp_size / Row::group;
  constexpr int keys_a_group = Row::elements <= 8 ? 4 : 2;
  constexpr int tile = groups * keys_a_group;
  const int group = static_cast<int>(threadIdx.x) % warp_size / Row::group;
  const bf16* const k = settled(run.k);
  const bf16* const v = settled(run.v);
  uint32_t offsets[keys_a_group];
  const auto go_to = [&](int first) {
#pragma unroll
    for (int u = 0; u < keys_a_group; ++u) {
      const int key = first + u * groups + group;
      // Beyond the last key it is read again: in bounds, and its weight is 0.
      int slot = run.first_slot + (key < count ? key : count - 1);
      if (slot >= run.capacity) slot -= run.capacity;
      offsets[u] = static_cast<uint32_t>(slot) * run.stride;
    }
  };

  StreamState<Row, Q> state;
#pragma unroll
  for (int j = 0; j < Q; ++j) {
    state.most[j] = -INFINITY;
    state.sum[j] = 0.0f;
#pragma unroll
    for (float& x : state.out[j]) x = 0.0f;
  }
  Row keys[keys_a_group];
  Row values[keys_a_group];
  if (count > 0) {
    go_to(0);
#pragma unroll
    for (int u = 0; u < keys_a_group; ++u) keys[u] = Row::load_once(k, offsets[u], place);
#pragma unroll
    for (int u = 0; u < keys_a_group; ++u) values[u] = Row::load_once(v, offsets[u], place);
  }
#pragma unroll 1
  for (int first = 0; first < count; first += tile) {
    float weights[Q][keys_a_group];
#pragma unroll
    for (int j = 0; j < Q; ++j) {
#pragma unroll
      for (int u = 0; u < keys_a_group; ++u) weights[j][u] = group_sum<Row::group>(keys[u].dot(queries[j]));
    }
    const bool more = first + tile < count;
    if (more) {
      go_to(first + tile);
#pragma unroll
      for (int u = 0; u < keys_a_group; ++u) keys[u] = Row::load_once(k, offsets[u], place);
    }
#pragma unroll
    for (int j = 0; j < Q; ++j) {
      float most = state.most[j];
#pragma unroll
      for (int u = 0; u < keys_a_group; ++u) {
        const int key = first + u * groups + group;
        if (key < begin[j] || key >= end[j]) weights[j][u] = -INFINITY;
        most = fmaxf(most, weights[j][u]);
      }
      const float reference = finite_reference(most);
      const float keep = fast_exp2(state.most[j] - reference);
      state.most[j] = most;
      state.sum[j] *= keep;
#pragma unroll
      for (float& x : state.out[j]) x *= keep;
#pragma unroll
      for (int u = 0; u < keys_a_group; ++u) {
        weights[j][u] = fast_exp2(weights[j][u] - reference);
        state.sum[j] += weights[j][u];
      }
    }
#pragma unroll
    for (int u = 0; u < keys_a_group; ++u) {
#pragma unroll
      for (int j = 0; j < Q; ++j) values[u].add_to(state.out[j], weights[j][u]);
    }
    if (more) {
#pragma unroll
      for (int u = 0; u < keys_a_group; ++u) values[u] = Row::load_once(v, offsets[u], place);
    }
  }

#pragma unroll
  for (int step = Row::group; step < warp_size; step *= 2) {
#pragma unroll
    for (int j = 0; j < Q; ++j) {
      const float most = fmaxf(state.most[j], __shfl_xor_sync(full_warp, state.most[j], step));
      const float keep = fast_exp2(state.most[j] - finite_reference(most));
      state.most[j] = most;
      state.sum[j] *= keep;
      state.sum[j] += __shfl_xor_sync(full_warp, state.sum[j], step);
#pragma unroll
      for (float& x : state.out[j]) {
        x *= keep;
        x += __shfl_xor_sync(full_warp, x, step);
      }
    }
  }
  return state;
}

}  // namespace photon::PHOTON_GPU
