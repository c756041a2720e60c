// SPDX-License-Identifier: Apache-2.0
// N adjacent bf16 or floats as numbers, whatever the type that they are stored in.
#pragma once

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

__device__ inline void set(bf16& to, float x) {
  to = to_bf16(x);
}
__device__ inline void set(float& to, float x) {
  to = x;
}
__device__ inline float value_of(bf16 x) {
  return to_float(x);
}
__device__ inline float value_of(float x) {
  return x;
}

/// As stored; in memory aligned to their own size or, where that is larger, to 16 bytes.
template <class T, int N>
struct Elements {
  static constexpr int most = 16 / static_cast<int>(sizeof(T));
  static constexpr int step = N < most ? N : most;  ///< moved at once

  Pack<T, step> packs[N / step];

  __device__ float operator[](int i) const { return value_of(packs[i / step].v[i % step]); }
  __device__ void set(int i, float x) { PHOTON_GPU::set(packs[i / step].v[i % step], x); }
};

template <int N, class T>
__device__ inline Elements<T, N> load_elements(const T* p) {
  Elements<T, N> out;
  constexpr int step = Elements<T, N>::step;
#pragma unroll
  for (int i = 0; i < N / step; ++i) out.packs[i] = load_pack<step>(p + i * step);
  return out;
}
/// By load_streaming: of what will not be read again.
template <int N, class T>
__device__ inline Elements<T, N> load_elements_streaming(const T* p) {
  Elements<T, N> out;
  constexpr int step = Elements<T, N>::step;
#pragma unroll
  for (int i = 0; i < N / step; ++i) out.packs[i] = load_streaming<T, step>(p + i * step);
  return out;
}
template <int N, class T>
__device__ inline void store_elements(T* p, const Elements<T, N>& x) {
  constexpr int step = Elements<T, N>::step;
#pragma unroll
  for (int i = 0; i < N / step; ++i) store_pack(p + i * step, x.packs[i]);
}

}  // namespace photon::PHOTON_GPU
