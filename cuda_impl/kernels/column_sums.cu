// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/column_sums.h"

#include <algorithm>

#include "cuda_impl/kernels/elements.h"
#include "cuda_impl/kernels/pack_width.h"
#include "cuda_impl/kernels/partial_sums.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int columns = 32;  // threads across, each with N columns
constexpr int rows = 8;      // threads down

// One block some columns of every so many-th row: blockIdx.y of gridDim.y parts.
template <int N>
__global__ void __launch_bounds__(columns* rows) column_sums_kernel(ColumnSums a) {
  using Sums = float[rows][N][columns];
  PHOTON_SHARED(Sums, sums);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int across = static_cast<int>(threadIdx.x) % columns;
  const int down = static_cast<int>(threadIdx.x) / columns;
  const int32_t i = (static_cast<int32_t>(blockIdx.x) * columns + across) * N;
  const int64_t step = static_cast<int64_t>(gridDim.y) * rows;
  float sum[N] = {};
  if (i < a.width) {
#pragma unroll 4
    for (int64_t row = static_cast<int64_t>(blockIdx.y) * rows + down; row < a.rows; row += step) {
      const Elements<bf16, N> x = load_elements<N>(a.d + row * a.d_stride + i);
#pragma unroll
      for (int j = 0; j < N; ++j) sum[j] += x[j];
    }
  }
#pragma unroll
  for (int j = 0; j < N; ++j) sums[down][j][across] = sum[j];
  __syncthreads();
  if (down == 0 && i < a.width) {
    Elements<float, N> total;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      for (int r = 1; r < rows; ++r) sum[j] += sums[r][j][across];
      total.set(j, sum[j]);
    }
    store_elements<N>(a.workspace + static_cast<int64_t>(blockIdx.y) * a.width + i, total);
  }
}

/// As keep an H200 busy, each with a few rows a thread at least.
int64_t parts_of(int64_t all_rows, int32_t width) {
  constexpr int64_t blocks = 4 * 132;
  constexpr int64_t block_columns = columns * 8;
  constexpr int64_t least_rows = rows * 4;
  const int64_t across = (width + block_columns - 1) / block_columns;
  return std::max<int64_t>(1, std::min(blocks / across, (all_rows + least_rows - 1) / least_rows));
}

PartialSums second_half(const ColumnSums& a) {
  return {.partials = a.workspace,
          .parts = static_cast<int32_t>(parts_of(a.rows, a.width)),
          .width = a.width,
          .sums = a.sums};
}

Work first_half_work(const ColumnSums& a) {
  const auto parts = static_cast<double>(parts_of(a.rows, a.width));
  return {.other_bytes = (static_cast<double>(a.rows) * sizeof(bf16) + parts * sizeof(float)) * a.width};
}

template <int N>
void launch(Stream& stream, const ColumnSums& a, int32_t parts) {
  constexpr int32_t block = columns * N;
  const dim3 blocks(static_cast<unsigned>((a.width + block - 1) / block), static_cast<unsigned>(parts));
  stream.launch({"column_sums", first_half_work(a)}, {blocks, columns * rows}, column_sums_kernel<N>, a);
}

}  // namespace

int64_t column_sums_workspace(int64_t all_rows, int32_t width) {
  return parts_of(all_rows, width) * width;
}

Work column_sums_work(const ColumnSums& a) {
  Work work = first_half_work(a);
  work += partial_sums_work(second_half(a));
  return work;
}

void column_sums(Stream& stream, const ColumnSums& a) {
  const PartialSums sums = second_half(a);
  const int width = pack_width({a.width, a.d_stride});
  if (width == 8) {
    launch<8>(stream, a, sums.parts);
  } else if (width >= 2) {
    launch<2>(stream, a, sums.parts);
  } else {
    launch<1>(stream, a, sums.parts);
  }
  partial_sums(stream, sums);
}

}  // namespace photon::PHOTON_GPU
