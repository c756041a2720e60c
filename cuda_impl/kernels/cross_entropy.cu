// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/cross_entropy.h"

#include "cuda_impl/kernels/elements.h"
#include "cuda_impl/kernels/pack_width.h"
#include "cuda_impl/kernels/reduce.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 1024;
constexpr float log2_e = 1.4426950408889634f;

__device__ inline float exponential(float x) {
  return fast_exp2(x * log2_e);
}

/// Largest of some logits, and the sum of exp(logit - largest).
struct Part {
  float high;
  float sum;
};

template <int N>
__device__ Part part_of(const float* logits, int32_t vocab) {
  Part part{-INFINITY, 0.0f};
  for (int32_t i = static_cast<int32_t>(threadIdx.x) * N; i < vocab; i += static_cast<int32_t>(threads) * N) {
    const Elements<float, N> x = load_elements<N>(logits + i);
    float high = part.high;
#pragma unroll
    for (int j = 0; j < N; ++j) high = fmaxf(high, x[j]);
    float sum = part.high == high ? part.sum : part.sum * exponential(part.high - high);
#pragma unroll
    for (int j = 0; j < N; ++j) sum += exponential(x[j] - high);
    part = {high, sum};
  }
  return part;
}

// One block a row, which it reads twice: the second time from the last-level cache, which the rows under way
// fit with no more than two large blocks a multiprocessor.
//
// The gradient takes the place of the logits: that of columns [b, e), in bf16, lies over columns [b / 2, e /
// 2). The block walks the row in tiles; before it writes those of a tile, every thread has that tile in
// registers and stands at a barrier. What the tile's gradient lies over is then read already: columns below e
// / 2 belong to this tile or to one before it. Columns that are still to be read begin at e.
template <int N>
__global__ void __launch_bounds__(threads, 2) cross_entropy_kernel(CrossEntropy a) {
  using Partial = float[threads / warp_size];
  PHOTON_SHARED(Partial, partial);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t row = blockIdx.x;
  float* logits = a.logits + row * a.vocab;
  const int32_t target = a.targets[row];
  float high = 0.0f;
  float sum = 1.0f;
  if (target >= 0) {
    const Part part = part_of<N>(logits, a.vocab);
    high = block_max(part.high, partial);
    // A thread without columns has -inf, and a row of -inf alone is no number.
    sum = block_sum(part.sum * exponential(part.high - high), partial);
  }
  if (threadIdx.x == 0) a.row_losses[row] = target < 0 ? 0.0f : high - logits[target] + logf(sum);
  if (!a.differentiate) return;
  auto* gradient = reinterpret_cast<bf16*>(logits);
  const float scale = target < 0 ? 0.0f : a.factor / sum;
  constexpr auto tile = static_cast<int32_t>(threads) * N;
  for (int32_t begin = 0; begin < a.vocab; begin += tile) {
    const int32_t i = begin + static_cast<int32_t>(threadIdx.x) * N;
    Elements<float, N> x{};
    if (target >= 0 && i < a.vocab) x = load_elements_streaming<N>(logits + i);
    __syncthreads();
    if (i < a.vocab) {
      Elements<bf16, N> out;
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const float p = target < 0 ? 0.0f : scale * exponential(x[j] - high);
        out.set(j, i + j == target ? p - a.factor : p);
      }
      store_elements<N>(gradient + i, out);
    }
  }
}

}  // namespace

// The second reading is not counted: it is from the cache.
Work cross_entropy_work(const CrossEntropy& a) {
  const double element = sizeof(float) + (a.differentiate ? sizeof(bf16) : 0.0);
  const double row = static_cast<double>(a.vocab) * element + sizeof(int32_t) + sizeof(float);
  return {.other_bytes = static_cast<double>(a.rows) * row};
}

void cross_entropy(Stream& stream, const CrossEntropy& a) {
  const int width = pack_width({a.vocab});
  const auto kernel = width == 8   ? cross_entropy_kernel<8>
                      : width == 4 ? cross_entropy_kernel<4>
                                   : cross_entropy_kernel<1>;
  stream.launch({"cross_entropy", cross_entropy_work(a)}, {dim3(static_cast<unsigned>(a.rows)), threads},
                kernel, a);
}

}  // namespace photon::PHOTON_GPU
