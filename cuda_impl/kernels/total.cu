// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/total.h"

#include "cuda_impl/kernels/reduce.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 1024;

__global__ void __launch_bounds__(threads) total_kernel(Total a) {
  using Partial = double[threads / warp_size];
  PHOTON_SHARED(Partial, partial);
  wait_for_previous_kernel();
  let_next_kernel_start();
  double sum = 0.0;
#pragma unroll 4
  for (int64_t i = threadIdx.x; i < a.count; i += threads) sum += a.partials[i];
  sum = block_sum(sum, partial);
  if (threadIdx.x == 0) *a.sum = sum;
}

}  // namespace

Work total_work(const Total& a) {
  return {.other_bytes = static_cast<double>(a.count + 1) * sizeof(double)};
}

void total(Stream& stream, const Total& a) {
  stream.launch({"total", total_work(a)}, {dim3(1), threads}, total_kernel, a);
}

}  // namespace photon::PHOTON_GPU
