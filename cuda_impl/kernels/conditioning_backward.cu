// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/conditioning_backward.h"

#include <algorithm>

#include "cuda_impl/kernels/elements.h"
#include "cuda_impl/kernels/pack_width.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned most_threads = 256;

template <int N>
__device__ void add(float (&sum)[N], const Elements<bf16, N>& x) {
#pragma unroll
  for (int j = 0; j < N; ++j) sum[j] += x[j];
}

template <int N>
__device__ void add_to(float* p, const float (&sum)[N]) {
  Elements<float, N> y = load_elements<N>(static_cast<const float*>(p));
#pragma unroll
  for (int j = 0; j < N; ++j) y.set(j, y[j] + sum[j]);
  store_elements<N>(p, y);
}

// One block a latent, which chunk latent + newest - k took as its k-th.
template <int N>
__global__ void __launch_bounds__(most_threads) conditioning_backward_kernel(ConditioningBackward a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t row = blockIdx.x / static_cast<uint32_t>(a.chunks);
  const auto latent = static_cast<int32_t>(blockIdx.x % static_cast<uint32_t>(a.chunks));
  const int32_t newest = (a.previous ? 1 : 0) + a.context - 1;
  for (int32_t i = static_cast<int32_t>(threadIdx.x) * N; i < a.width;
       i += static_cast<int32_t>(blockDim.x) * N) {
    float sum[N] = {};
    for (int32_t k = max(0, latent + newest - (a.chunks - 1)); k < a.context; ++k) {
      const int64_t taker = (row * a.chunks + latent + newest - k) * a.context + k;
      add(sum, load_elements<N>(a.d + taker * a.width + i));
    }
    add_to<N>(a.d_latents + static_cast<int64_t>(blockIdx.x) * a.width + i, sum);
  }
}

constexpr int columns = 8;  // threads across, each with N columns
constexpr int rows = 32;    // threads down, each with every so many-th row

// One block some columns: the start latent is what the first chunks of every row took.
template <int N>
__global__ void __launch_bounds__(columns* rows) start_backward_kernel(ConditioningBackward a) {
  using Sums = float[rows][columns * N];
  PHOTON_SHARED(Sums, sums);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int across = static_cast<int>(threadIdx.x) % columns;
  const int down = static_cast<int>(threadIdx.x) / columns;
  const int32_t i = (static_cast<int32_t>(blockIdx.x) * columns + across) * N;
  const int32_t newest = (a.previous ? 1 : 0) + a.context - 1;
  float sum[N] = {};
  if (i < a.width) {
    for (int64_t row = down; row < a.rows; row += rows) {
      for (int32_t chunk = 0; chunk < min(newest, a.chunks); ++chunk) {
        for (int32_t k = 0; k < min(newest - chunk, a.context); ++k) {
          const int64_t taker = (row * a.chunks + chunk) * a.context + k;
          add(sum, load_elements<N>(a.d + taker * a.width + i));
        }
      }
    }
  }
#pragma unroll
  for (int j = 0; j < N; ++j) sums[down][across * N + j] = sum[j];
  __syncthreads();
  if (down == 0 && i < a.width) {
    for (int r = 1; r < rows; ++r) {
#pragma unroll
      for (int j = 0; j < N; ++j) sum[j] += sums[r][across * N + j];
    }
    add_to<N>(a.d_start + i, sum);
  }
}

/// Vectors of one row that the start latent stood in for.
int64_t starts_a_row(const ConditioningBackward& a) {
  int64_t count = 0;
  for (int32_t k = 0; k < a.context; ++k) {
    count += std::min(a.chunks, (a.previous ? 1 : 0) + a.context - 1 - k);
  }
  return count;
}

bool differentiates_start(const ConditioningBackward& a) {
  return a.d_start != nullptr && starts_a_row(a) > 0;
}

Work latents_backward_work(const ConditioningBackward& a) {
  const int64_t latents = a.rows * a.chunks;
  const int64_t vectors = latents * a.context - a.rows * starts_a_row(a);
  return {.other_bytes = (static_cast<double>(vectors) * sizeof(bf16) +
                          static_cast<double>(latents) * 2.0 * sizeof(float)) *
                         a.width};
}

Work start_backward_work(const ConditioningBackward& a) {
  const auto vectors = static_cast<double>(a.rows * starts_a_row(a));
  return {.other_bytes = (vectors * sizeof(bf16) + 2.0 * sizeof(float)) * a.width};
}

}  // namespace

Work conditioning_backward_work(const ConditioningBackward& a) {
  Work work = latents_backward_work(a);
  if (differentiates_start(a)) work += start_backward_work(a);
  return work;
}

void conditioning_backward(Stream& stream, const ConditioningBackward& a) {
  const bool wide = pack_width({a.width}) == 8;
  const int32_t loads = a.width / (wide ? 8 : 2);
  const int32_t warps = std::clamp((loads + warp_size - 1) / warp_size, 1, 8);
  stream.launch({"conditioning_backward", latents_backward_work(a)},
                {dim3(static_cast<unsigned>(a.rows * a.chunks)), static_cast<unsigned>(warps * warp_size)},
                wide ? conditioning_backward_kernel<8> : conditioning_backward_kernel<2>, a);
  if (!differentiates_start(a)) return;
  const int32_t block = columns * (wide ? 8 : 2);
  stream.launch({"start_backward", start_backward_work(a)},
                {dim3(static_cast<unsigned>((a.width + block - 1) / block)), columns * rows},
                wide ? start_backward_kernel<8> : start_backward_kernel<2>, a);
}

}  // namespace photon::PHOTON_GPU
