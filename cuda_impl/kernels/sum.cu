// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/sum.h"

#include <algorithm>

#include "cuda_impl/kernels/reduce.h"
#include "cuda_impl/kernels/total.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 256;
constexpr int64_t block_values = 16 * threads;

__global__ void __launch_bounds__(threads) sum_kernel(Sum a) {
  using Partial = double[threads / warp_size];
  PHOTON_SHARED(Partial, partial);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t begin = blockIdx.x * block_values;
  const int64_t end = min(a.count, begin + block_values);
  double sum = 0.0;
#pragma unroll 4
  for (int64_t i = begin + threadIdx.x; i < end; i += threads) sum += static_cast<double>(a.values[i]);
  sum = block_sum(sum, partial);
  if (threadIdx.x == 0) a.workspace[blockIdx.x] = sum;
}

Total second_half(const Sum& a) {
  return {.partials = a.workspace, .count = sum_workspace(a.count), .sum = a.sum};
}

Work first_half_work(const Sum& a) {
  return {.other_bytes = static_cast<double>(a.count) * sizeof(float) +
                         static_cast<double>(sum_workspace(a.count)) * sizeof(double)};
}

}  // namespace

int64_t sum_workspace(int64_t count) {
  return std::max<int64_t>(1, (count + block_values - 1) / block_values);
}

Work sum_work(const Sum& a) {
  Work work = first_half_work(a);
  work += total_work(second_half(a));
  return work;
}

void sum(Stream& stream, const Sum& a) {
  const dim3 blocks(static_cast<unsigned>(sum_workspace(a.count)));
  stream.launch({"sum", first_half_work(a)}, {blocks, threads}, sum_kernel, a);
  total(stream, second_half(a));
}

}  // namespace photon::PHOTON_GPU
