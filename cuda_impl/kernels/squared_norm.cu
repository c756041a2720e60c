// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/squared_norm.h"

#include "cuda_impl/kernels/reduce.h"
#include "cuda_impl/kernels/total.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int32_t threads = 256;

template <int N>
__device__ double sum_of_squares(const float* values, int32_t count) {
  double sum = 0.0;
#pragma unroll 4
  for (int32_t i = static_cast<int32_t>(threadIdx.x) * N; i < count; i += threads * N) {
    const Pack<float, N> x = load_pack<N>(values + i);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const auto v = static_cast<double>(x.v[j]);
      sum += v * v;
    }
  }
  return sum;
}

// One block a tile.
__global__ void __launch_bounds__(threads) squared_norm_kernel(SquaredNorm a) {
  using Partial = double[threads / warp_size];
  PHOTON_SHARED(Partial, partial);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const ParameterTile tile = a.tiles[blockIdx.x];
  const float* values = a.values + tile.offset;
  double sum = 0.0;
  if (tile.trained) {
    const bool wide = (tile.offset | tile.count) % 4 == 0;
    sum = wide ? sum_of_squares<4>(values, tile.count) : sum_of_squares<1>(values, tile.count);
  }
  sum = block_sum(sum, partial);
  if (threadIdx.x == 0) a.workspace[blockIdx.x] = sum;
}

Total second_half(const SquaredNorm& a) {
  return {.partials = a.workspace, .count = a.tile_count, .sum = a.sum};
}

Work first_half_work(const SquaredNorm& a) {
  return {.other_bytes = static_cast<double>(a.elements) * sizeof(float) +
                         static_cast<double>(a.tile_count) * (sizeof(ParameterTile) + sizeof(double))};
}

}  // namespace

Work squared_norm_work(const SquaredNorm& a) {
  Work work = first_half_work(a);
  work += total_work(second_half(a));
  return work;
}

void squared_norm(Stream& stream, const SquaredNorm& a) {
  const Grid grid{dim3(static_cast<unsigned>(a.tile_count)), threads};
  stream.launch({"squared_norm", first_half_work(a)}, grid, squared_norm_kernel, a);
  total(stream, second_half(a));
}

}  // namespace photon::PHOTON_GPU
