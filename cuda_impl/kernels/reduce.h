// SPDX-License-Identifier: Apache-2.0
// Sums and maxima over a warp and over a block, in a fixed order: results are the same from run to run.
#pragma once

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// The sum over the 32 lanes, in all of them.
__device__ inline float warp_sum(float x) {
#pragma unroll
  for (int step = warp_size / 2; step > 0; step /= 2) x += __shfl_xor_sync(full_warp, x, step);
  return x;
}
__device__ inline double warp_sum(double x) {
#pragma unroll
  for (int step = warp_size / 2; step > 0; step /= 2) x += __shfl_xor_sync(full_warp, x, step);
  return x;
}
__device__ inline float warp_max(float x) {
#pragma unroll
  for (int step = warp_size / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(full_warp, x, step));
  return x;
}

/// The sum over a block of whole warps, in all threads. `partial` is a shared array of one entry a warp; the
/// barrier at the end lets it be used again at once.
template <class T>
__device__ T block_sum(T x, T* partial) {
  x = warp_sum(x);
  const unsigned warps = blockDim.x / warp_size;
  if (threadIdx.x % warp_size == 0) partial[threadIdx.x / warp_size] = x;
  __syncthreads();
  T sum = 0;
  for (unsigned w = 0; w < warps; ++w) sum += partial[w];
  __syncthreads();
  return sum;
}

__device__ inline float block_max(float x, float* partial) {
  x = warp_max(x);
  const unsigned warps = blockDim.x / warp_size;
  if (threadIdx.x % warp_size == 0) partial[threadIdx.x / warp_size] = x;
  __syncthreads();
  float high = partial[0];
  for (unsigned w = 1; w < warps; ++w) high = fmaxf(high, partial[w]);
  __syncthreads();
  return high;
}

}  // namespace photon::PHOTON_GPU
