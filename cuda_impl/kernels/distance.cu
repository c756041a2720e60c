// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/distance.h"

#include <algorithm>

#include "cuda_impl/kernels/elements.h"
#include "cuda_impl/kernels/pack_width.h"
#include "cuda_impl/kernels/reduce.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned most_threads = 256;
constexpr float least_norm = 1e-8f;

/// What the gradients are made of: d_a += a · own_a + b · other, d_b += b · own_b + a · other.
struct Factors {
  float own_a;
  float own_b;
  float other;
};

template <int N>
__device__ void add_gradient(float* to, const Elements<bf16, N>& own, const Elements<bf16, N>& other,
                             float own_factor, float other_factor) {
  Elements<float, N> d = load_elements<N>(static_cast<const float*>(to));
#pragma unroll
  for (int j = 0; j < N; ++j) d.set(j, d[j] + own[j] * own_factor + other[j] * other_factor);
  store_elements<N>(to, d);
}

// One block a row. The second pass over a and b comes from the first-level cache.
template <int N>
__global__ void __launch_bounds__(most_threads) distance_kernel(RowDistances args) {
  using Partial = float[most_threads / warp_size];
  PHOTON_SHARED(Partial, partial);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t group = blockIdx.x / static_cast<uint32_t>(args.rows);
  const int64_t in_group = static_cast<int64_t>(blockIdx.x % static_cast<uint32_t>(args.rows)) * args.width;
  const bf16* a = args.a + group * args.a_stride + in_group;
  const bf16* b = args.b + group * args.b_stride + in_group;
  const bool squared = args.kind == Distance::squared;
  const int first = static_cast<int>(threadIdx.x) * N;
  const int step = static_cast<int>(blockDim.x) * N;
  float aa = 0.0f;
  float bb = 0.0f;
  float ab = 0.0f;  // of the differences with themselves, if squared
  for (int i = first; i < args.width; i += step) {
    const Elements<bf16, N> x = load_elements<N>(a + i);
    const Elements<bf16, N> y = load_elements<N>(b + i);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float difference = x[j] - y[j];
      aa += x[j] * x[j];
      bb += y[j] * y[j];
      ab += squared ? difference * difference : x[j] * y[j];
    }
  }
  ab = block_sum(ab, partial);
  Factors f;
  float loss;
  if (squared) {
    const auto width = static_cast<float>(args.width);
    loss = ab / width;
    f.own_a = f.own_b = 2.0f * args.factor / width;
    f.other = -f.own_a;
  } else {
    // Norms are held at the least one from below, and carry no gradient there.
    const float raw_a = sqrtf(block_sum(aa, partial));
    const float raw_b = sqrtf(block_sum(bb, partial));
    const float norm_a = fmaxf(raw_a, least_norm);
    const float norm_b = fmaxf(raw_b, least_norm);
    const float cosine = ab / (norm_a * norm_b);
    loss = 1.0f - cosine;
    f.own_a = raw_a <= least_norm ? 0.0f : args.factor * cosine / (norm_a * norm_a);
    f.own_b = raw_b <= least_norm ? 0.0f : args.factor * cosine / (norm_b * norm_b);
    f.other = -args.factor / (norm_a * norm_b);
  }
  if (threadIdx.x == 0) args.row_losses[blockIdx.x] = loss;
  if (args.d_a == nullptr && args.d_b == nullptr) return;
  for (int i = first; i < args.width; i += step) {
    const Elements<bf16, N> x = load_elements<N>(a + i);
    const Elements<bf16, N> y = load_elements<N>(b + i);
    if (args.d_a != nullptr) {
      add_gradient<N>(args.d_a + group * args.d_a_stride + in_group + i, x, y, f.own_a, f.other);
    }
    if (args.d_b != nullptr) {
      add_gradient<N>(args.d_b + group * args.d_b_stride + in_group + i, y, x, f.own_b, f.other);
    }
  }
}

}  // namespace

Work distance_work(const RowDistances& a) {
  const double gradients = (a.d_a != nullptr ? 2.0 : 0.0) + (a.d_b != nullptr ? 2.0 : 0.0);
  const double element = 2.0 * sizeof(bf16) + gradients * sizeof(float);
  return {.other_bytes = static_cast<double>(a.groups * a.rows) * (element * a.width + sizeof(float))};
}

void distance(Stream& stream, const RowDistances& a) {
  const int width = pack_width({a.width, a.a_stride, a.b_stride, a.d_a_stride, a.d_b_stride});
  const int32_t loads = a.width / (width == 8 ? 8 : width >= 2 ? 2 : 1);
  const int32_t warps = std::clamp((loads + warp_size - 1) / warp_size, 1, 8);
  const Grid grid{dim3(static_cast<unsigned>(a.groups * a.rows)), static_cast<unsigned>(warps * warp_size)};
  const auto kernel = width == 8 ? distance_kernel<8> : width >= 2 ? distance_kernel<2> : distance_kernel<1>;
  stream.launch({"distance", distance_work(a)}, grid, kernel, a);
}

}  // namespace photon::PHOTON_GPU
