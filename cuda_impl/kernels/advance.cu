// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/advance.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 64;

// One block a row.
__global__ void __launch_bounds__(threads) advance_kernel(Advance a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t row = blockIdx.x;
  const int32_t start = a.rows.start[row];
  __syncthreads();
  if (start >= 0) {
    for (auto i = static_cast<int32_t>(threadIdx.x); i < a.tokens; i += static_cast<int32_t>(threads)) {
      const int64_t at = row * a.rows.capacity + start + a.first + i;
      a.burst[row * a.tokens + i] = a.rows.tokens[at];
      a.burst_log_probs[row * a.tokens + i] = a.rows.log_probs[at];
    }
    if (threadIdx.x == 0) {
      const int32_t next = start + a.step;
      a.rows.start[row] = next < a.rows.target[row] ? next : -1;
    }
  }
}

}  // namespace

Work advance_work(const Advance& a) {
  return {.other_bytes = static_cast<double>(a.count * a.tokens) * 2.0 * (sizeof(int32_t) + sizeof(float))};
}

void advance(Stream& stream, const Advance& a) {
  stream.launch({"advance", advance_work(a)}, {dim3(static_cast<unsigned>(a.count)), threads}, advance_kernel,
                a);
}

}  // namespace photon::PHOTON_GPU
