// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/gemv.h"

#include "core/cost/cost.h"
#include "cuda_impl/kernels/pack_width.h"
#include "cuda_impl/kernels/reduce.h"
#include "cuda_impl/kernels/swiglu.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned warps = 8;
constexpr unsigned threads = warps * warp_size;
constexpr int columns_a_warp = 2;
constexpr int cache_line = 128 / sizeof(bf16);  // elements

// x of all rows into shared memory, normalised where asked: rounded to bf16 as the separate norm rounds it.
template <int Rows, int N>
__device__ void stage_rows(const Gemv& a, bf16* staged, float* partial) {
  for (int r = 0; r < Rows; ++r) {
    const bf16* x = a.x + r * a.x_stride;
    float scale = 1.0f;
    if (a.gain != nullptr) {
      float sum = 0.0f;
      for (int i = static_cast<int>(threadIdx.x) * N; i < a.in; i += static_cast<int>(threads) * N) {
        const Pack<bf16, N> p = load_pack<N>(x + i);
#pragma unroll
        for (int j = 0; j < N; ++j) sum += to_float(p.v[j]) * to_float(p.v[j]);
      }
      scale = rsqrtf(block_sum(sum, partial) / static_cast<float>(a.in) + a.eps);
    }
    for (int i = static_cast<int>(threadIdx.x) * N; i < a.in; i += static_cast<int>(threads) * N) {
      Pack<bf16, N> p = load_pack<N>(x + i);
      if (a.gain != nullptr) {
        const Pack<bf16, N> gain = load_pack<N>(a.gain + i);
#pragma unroll
        for (int j = 0; j < N; ++j) p.v[j] = to_bf16(to_float(p.v[j]) * scale * to_float(gain.v[j]));
      }
      store_pack(staged + r * a.in + i, p);
    }
  }
}

template <int Rows, int N, int Columns>
__device__ void dot_columns(const Gemv& a, const bf16* staged, const bf16* const (&weight)[Columns],
                            float (&sum)[Columns][Rows]) {
#pragma unroll
  for (int c = 0; c < Columns; ++c) {
#pragma unroll
    for (int r = 0; r < Rows; ++r) sum[c][r] = 0.0f;
  }
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll 4
  for (int i = lane * N; i < a.in; i += warp_size * N) {
    Pack<bf16, N> w[Columns];
#pragma unroll
    for (int c = 0; c < Columns; ++c) w[c] = load_pack<N>(weight[c] + i);
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
      const Pack<bf16, N> x = load_pack<N>(staged + r * a.in + i);
#pragma unroll
      for (int c = 0; c < Columns; ++c) {
#pragma unroll
        for (int j = 0; j < N; ++j) sum[c][r] += to_float(w[c].v[j]) * to_float(x.v[j]);
      }
    }
  }
#pragma unroll
  for (int c = 0; c < Columns; ++c) {
#pragma unroll
    for (int r = 0; r < Rows; ++r) sum[c][r] = warp_sum(sum[c][r]);
  }
}

// Columns are handed to warps in pairs: two plain ones, or the gate and the up of one.
template <int Rows, int N, bool Paired>
__global__ void __launch_bounds__(threads) gemv_kernel(Gemv a) {
  using Partial = float[warps];
  PHOTON_SHARED(Partial, partial);
  bf16* staged = dynamic_shared<bf16>();
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int results = Paired ? 1 : columns_a_warp;
  const int first = (static_cast<int>(blockIdx.x) * static_cast<int>(warps) + warp) * results;
  const bf16* weight[columns_a_warp] = {};
  if (first < a.out_width) {
    for (int c = 0; c < columns_a_warp; ++c) {
      const int64_t column = Paired ? first + static_cast<int64_t>(c) * a.out_width
                                    : (first + c < a.out_width ? first + c : first);
      weight[c] = a.weight + column * a.in;
      // No kernel writes weights, so they can be on their way while the one before still runs.
      for (int i = lane * cache_line; i < a.in; i += warp_size * cache_line) prefetch_to_cache(weight[c] + i);
    }
  }
  wait_for_previous_kernel();
  let_next_kernel_start();
  stage_rows<Rows, N>(a, staged, partial);
  __syncthreads();
  if (first < a.out_width) {
    float sum[columns_a_warp][Rows];
    dot_columns<Rows, N>(a, staged, weight, sum);
    for (int c = 0; c < results; ++c) {
      const int column = first + c;
      if (column >= a.out_width) continue;
#pragma unroll
      for (int r = 0; r < Rows; ++r) {
        if (lane != r) continue;
        float y = Paired ? silu(sum[0][r]) * sum[1][r] : sum[c][r];
        if (a.bias != nullptr) y += to_float(a.bias[column]);
        const int64_t at = r * a.out_stride + column;
        if (a.out_float != nullptr) {
          a.out_float[at] = y;
        } else {
          a.out[at] = to_bf16(a.accumulate ? y + to_float(a.out[at]) : y);
        }
      }
    }
  }
}

template <int Rows, int N>
void launch(Stream& stream, const char* op, const Gemv& a) {
  const int columns_a_block = static_cast<int>(warps) * (a.swiglu ? 1 : columns_a_warp);
  const Grid grid{dim3(static_cast<unsigned>((a.out_width + columns_a_block - 1) / columns_a_block)), threads,
                  gemv_shared_bytes(a)};
  stream.launch({op, gemv_work(a)}, grid, a.swiglu ? gemv_kernel<Rows, N, true> : gemv_kernel<Rows, N, false>,
                a);
}

template <int Rows>
void launch_width(Stream& stream, const char* op, const Gemv& a) {
  const int width = pack_width({a.in, a.x_stride});
  if (width == 8) {
    launch<Rows, 8>(stream, op, a);
  } else if (width >= 2) {
    launch<Rows, 2>(stream, op, a);
  } else {
    launch<Rows, 1>(stream, op, a);
  }
}

}  // namespace

size_t gemv_shared_bytes(const Gemv& a) {
  return static_cast<size_t>(a.rows) * a.in * sizeof(bf16);
}

Work gemv_work(const Gemv& a) {
  const double elements = static_cast<double>(a.in) * a.out_width * (a.swiglu ? 2.0 : 1.0);
  Work work = matrix_work(elements, a.rows, sizeof(bf16));
  const double out = (a.out_float != nullptr ? sizeof(float) : sizeof(bf16)) * (a.accumulate ? 2.0 : 1.0);
  work.other_bytes = a.rows * (static_cast<double>(a.in) * sizeof(bf16) + a.out_width * out);
  return work;
}

void gemv(Stream& stream, const char* op, const Gemv& a) {
  switch (a.rows) {
    case 1:
      return launch_width<1>(stream, op, a);
    case 2:
      return launch_width<2>(stream, op, a);
    case 3:
      return launch_width<3>(stream, op, a);
    case 4:
      return launch_width<4>(stream, op, a);
    case 5:
      return launch_width<5>(stream, op, a);
    case 6:
      return launch_width<6>(stream, op, a);
    case 7:
      return launch_width<7>(stream, op, a);
    default:
      return launch_width<8>(stream, op, a);
  }
}

}  // namespace photon::PHOTON_GPU
