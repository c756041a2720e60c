// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/partial_sums.h"

#include "cuda_impl/kernels/pack_width.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int columns = 8;  // threads across, each with N columns
constexpr int rows = 32;    // threads down, each with every so many-th part

// One block some columns. Threads of a column add parts, the first one adds up what they have.
template <int N>
__global__ void __launch_bounds__(columns* rows) partial_sums_kernel(PartialSums a) {
  using Sums = Pack<float, N>[rows][columns];
  PHOTON_SHARED(Sums, sums);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int across = static_cast<int>(threadIdx.x) % columns;
  const int down = static_cast<int>(threadIdx.x) / columns;
  const int32_t column = (static_cast<int32_t>(blockIdx.x) * columns + across) * N;
  Pack<float, N> sum{};
  if (column < a.width) {
#pragma unroll 4
    for (int32_t part = down; part < a.parts; part += rows) {
      const Pack<float, N> x = load_pack<N>(a.partials + static_cast<int64_t>(part) * a.width + column);
#pragma unroll
      for (int j = 0; j < N; ++j) sum.v[j] += x.v[j];
    }
  }
  sums[down][across] = sum;
  __syncthreads();
  if (down == 0 && column < a.width) {
    Pack<float, N> total = load_pack<N>(a.sums + column);
    for (int r = 0; r < rows; ++r) {
#pragma unroll
      for (int j = 0; j < N; ++j) total.v[j] += sums[r][across].v[j];
    }
    store_pack(a.sums + column, total);
  }
}

}  // namespace

Work partial_sums_work(const PartialSums& a) {
  return {.other_bytes = (a.parts + 2.0) * a.width * sizeof(float)};
}

void partial_sums(Stream& stream, const PartialSums& a) {
  const bool wide = pack_width({a.width}) >= 4;
  const int32_t block = columns * (wide ? 4 : 1);
  const dim3 blocks(static_cast<unsigned>((a.width + block - 1) / block));
  stream.launch({"partial_sums", partial_sums_work(a)}, {blocks, columns * rows},
                wide ? partial_sums_kernel<4> : partial_sums_kernel<1>, a);
}

}  // namespace photon::PHOTON_GPU
