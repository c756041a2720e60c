// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/sample_place.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned part_threads = 256;
constexpr int32_t part_columns = 4096;

// Of two parts in either order; the earlier column wins among equals.
__device__ GreedyPart merged(const GreedyPart& a, const GreedyPart& b) {
  const bool take_b = b.high > a.high || (b.high == a.high && b.best < a.best);
  const float high = take_b ? b.high : a.high;
  const float lower = take_b ? a.high : b.high;
  const float scale = lower == -INFINITY ? 0.0f : expf(lower - high);
  return {high, take_b ? b.sum + a.sum * scale : a.sum + b.sum * scale, take_b ? b.best : a.best};
}

__device__ GreedyPart merged_over_warp(GreedyPart part) {
#pragma unroll
  for (int step = warp_size / 2; step > 0; step /= 2) {
    const GreedyPart other{__shfl_xor_sync(full_warp, part.high, step),
                           __shfl_xor_sync(full_warp, part.sum, step),
                           __shfl_xor_sync(full_warp, part.best, step)};
    part = merged(part, other);
  }
  return part;
}

constexpr int32_t no_column = 0x7fffffff;

// One block a part.
__global__ void __launch_bounds__(part_threads) greedy_part_kernel(Sample a, GreedyPart* parts) {
  using Warps = GreedyPart[part_threads / warp_size];
  PHOTON_SHARED(Warps, warps);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const float* logits = a.logits + static_cast<int64_t>(blockIdx.x) * a.vocab;
  const int32_t begin = static_cast<int32_t>(blockIdx.y) * part_columns;
  const int32_t end = min(a.vocab, begin + part_columns);
  GreedyPart part{-INFINITY, 0.0f, no_column};
  for (int32_t i = begin + static_cast<int32_t>(threadIdx.x); i < end;
       i += static_cast<int32_t>(part_threads)) {
    part = merged(part, {logits[i], 1.0f, i});
  }
  part = merged_over_warp(part);
  if (threadIdx.x % warp_size == 0) warps[threadIdx.x / warp_size] = part;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (unsigned w = 1; w < part_threads / warp_size; ++w) part = merged(part, warps[w]);
    parts[static_cast<int64_t>(blockIdx.x) * gridDim.y + blockIdx.y] = part;
  }
}

// One warp a sample.
__global__ void __launch_bounds__(warp_size)
    greedy_merge_kernel(Sample a, const GreedyPart* parts, int32_t parts_a_state) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t sample = blockIdx.x;
  const int64_t state = sample / a.samples;
  const auto lane = static_cast<int32_t>(threadIdx.x);
  GreedyPart part{-INFINITY, 0.0f, no_column};
  for (int32_t i = lane; i < parts_a_state; i += warp_size) {
    part = merged(part, parts[state * parts_a_state + i]);
  }
  part = merged_over_warp(part);
  const SamplePlace place(a, a.first_state * a.samples + sample);
  if (lane == 0 && place.position >= 0) {
    // Logits that are no numbers have no largest; the token must still be one.
    const int32_t token = place.given(a) ? place.token(a) : (part.best < a.vocab ? part.best : 0);
    place.write(a, token, a.logits[state * a.vocab + token] - part.high - logf(part.sum));
  }
}

double part_bytes(const Sample& a) {
  return static_cast<double>(a.states) * greedy_parts(a.vocab) * sizeof(GreedyPart);
}
Work part_work(const Sample& a) {
  return {.other_bytes = static_cast<double>(a.states) * a.vocab * sizeof(float) + part_bytes(a)};
}
Work merge_work(const Sample& a) {
  return {.other_bytes = a.samples * part_bytes(a)};
}

}  // namespace

int32_t greedy_parts(int32_t vocab) {
  return (vocab + part_columns - 1) / part_columns;
}

Work sample_greedy_work(const Sample& a) {
  Work work = part_work(a);
  work += merge_work(a);
  return work;
}

void sample_greedy(Stream& stream, const Sample& a, GreedyPart* parts) {
  const int32_t count = greedy_parts(a.vocab);
  stream.launch({"sample_part", part_work(a)},
                {dim3(static_cast<unsigned>(a.states), static_cast<unsigned>(count)), part_threads},
                greedy_part_kernel, a, parts);
  stream.launch({"sample_merge", merge_work(a)},
                {dim3(static_cast<unsigned>(a.states * a.samples)), warp_size}, greedy_merge_kernel, a, parts,
                count);
}

}  // namespace photon::PHOTON_GPU
