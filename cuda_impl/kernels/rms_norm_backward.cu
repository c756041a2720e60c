// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/rms_norm_backward.h"

#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "cuda_impl/kernels/elements.h"
#include "cuda_impl/kernels/pack_width.h"
#include "cuda_impl/kernels/partial_sums.h"
#include "cuda_impl/kernels/reduce.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int most_threads = 512;
constexpr int most_warps = most_threads / warp_size;

template <class Out, class In>
struct Operands {
  const Out* d_out;
  In* d_x;
};

// One block walks rows; a thread owns P packs of N columns, the same of every row. Where a thread has
// one pack, the next row is on its way while this one is summed up.
template <int N, int P, class Out, class In>
__global__ void __launch_bounds__(most_threads)
    rms_norm_backward_kernel(RmsNormBackward a, Operands<Out, In> operands) {
  using Sums = Pack<float, 2>[2][most_warps];
  PHOTON_SHARED(Sums, sums);
  wait_for_previous_kernel();
  let_next_kernel_start();
  struct Row {
    Elements<bf16, N> x[P];
    Elements<Out, N> d_out[P];
    Elements<In, N> d_x[P];
  };
  const auto all_rows = static_cast<uint32_t>(a.groups * a.rows);
  const auto column = [&](int p) {
    return (p * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * N;
  };
  const auto load = [&](uint32_t row) {
    Row out;
    const auto group = row / static_cast<uint32_t>(a.rows);
    const int64_t in_group = static_cast<int64_t>(row % static_cast<uint32_t>(a.rows)) * a.width;
#pragma unroll
    for (int p = 0; p < P; ++p) {
      if (column(p) >= a.width) continue;
      const int64_t at = in_group + column(p);
      out.x[p] = load_elements<N>(a.x + group * a.x_stride + at);
      out.d_out[p] = load_elements<N>(operands.d_out + group * a.d_out_stride + at);
      if (a.add) out.d_x[p] = load_elements<N>(operands.d_x + group * a.d_x_stride + at);
    }
    return out;
  };
  Elements<bf16, N> gain[P] = {};
  float d_gain[P][N] = {};
#pragma unroll
  for (int p = 0; p < P; ++p) {
    if (column(p) < a.width) gain[p] = load_elements<N>(a.gain + column(p));
  }
  const float share = 1.0f / static_cast<float>(a.width);
  int buffer = 0;
  constexpr bool ahead = P == 1;  // registers allow no more
  Row next;
  if (ahead) next = load(blockIdx.x);
  for (uint32_t row = blockIdx.x; row < all_rows; row += gridDim.x) {
    Row now;
    if (ahead) {
      now = next;
      if (row + gridDim.x < all_rows) next = load(row + gridDim.x);
    } else {
      now = load(row);
    }
    float squares = 0.0f;
    float projection = 0.0f;
#pragma unroll
    for (int p = 0; p < P; ++p) {
      if (column(p) >= a.width) continue;
#pragma unroll
      for (int j = 0; j < N; ++j) {
        squares += now.x[p][j] * now.x[p][j];
        projection += now.x[p][j] * gain[p][j] * now.d_out[p][j];
      }
    }
    squares = warp_sum(squares);
    projection = warp_sum(projection);
    if (threadIdx.x % warp_size == 0) sums[buffer][threadIdx.x / warp_size] = {{squares, projection}};
    // Two buffers: who is here writes the one that nobody reads any more.
    __syncthreads();
    squares = projection = 0.0f;
    for (unsigned w = 0; w < blockDim.x / warp_size; ++w) {
      squares += sums[buffer][w].v[0];
      projection += sums[buffer][w].v[1];
    }
    buffer ^= 1;
    const float scale = rsqrtf(squares * share + a.eps);
    const float along = projection * share * scale * scale;
    const auto group = row / static_cast<uint32_t>(a.rows);
    In* d_x = operands.d_x + group * a.d_x_stride +
              static_cast<int64_t>(row % static_cast<uint32_t>(a.rows)) * a.width;
#pragma unroll
    for (int p = 0; p < P; ++p) {
      if (column(p) >= a.width) continue;
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const float x = now.x[p][j];
        const float d_out = now.d_out[p][j];
        d_gain[p][j] += x * scale * d_out;
        const float d = scale * (gain[p][j] * d_out - x * along);
        now.d_x[p].set(j, a.add ? now.d_x[p][j] + d : d);
      }
      store_elements<N>(d_x + column(p), now.d_x[p]);
    }
  }
  float* partials = a.workspace + static_cast<int64_t>(blockIdx.x) * a.width;
#pragma unroll
  for (int p = 0; p < P; ++p) {
    if (column(p) >= a.width) continue;
    Elements<float, N> out;
#pragma unroll
    for (int j = 0; j < N; ++j) out.set(j, d_gain[p][j]);
    store_elements<N>(partials + column(p), out);
  }
}

/// How a row is spread over a block's threads.
struct Spread {
  int packs;  ///< of a thread
  int32_t threads;
};

Spread spread_of(int32_t width, bool wide) {
  const int pack = wide ? 8 : 2;
  const int packs = !wide ? 8 : width > most_threads * pack ? 2 : 1;
  const int32_t columns = pack * packs * warp_size;  // of a warp
  return {packs, (width + columns - 1) / columns * warp_size};
}
static_assert(RmsNormBackward::widest <= most_threads * 8 * 2);

/// As many blocks as keep an H200 busy: few enough that their partial sums are small beside the rows.
int64_t parts_of(int64_t rows, int32_t width) {
  constexpr int64_t multiprocessors = 132;
  constexpr int32_t resident_threads = 21 * warp_size;  // of a multiprocessor, by registers
  return std::min(rows,
                  multiprocessors * std::clamp(resident_threads / spread_of(width, true).threads, 1, 8));
}

template <class Out, class In>
void launch(Stream& stream, const Op& op, unsigned blocks, const RmsNormBackward& a,
            const Operands<Out, In>& operands) {
  const bool wide = pack_width({a.width, a.x_stride, a.d_out_stride, a.d_x_stride}) == 8;
  const Spread spread = spread_of(a.width, wide);
  const auto kernel = !wide               ? rms_norm_backward_kernel<2, 8, Out, In>
                      : spread.packs == 2 ? rms_norm_backward_kernel<8, 2, Out, In>
                                          : rms_norm_backward_kernel<8, 1, Out, In>;
  stream.launch(op, {dim3(blocks), static_cast<unsigned>(spread.threads)}, kernel, a, operands);
}

PartialSums second_half(const RmsNormBackward& a) {
  return {.partials = a.workspace,
          .parts = static_cast<int32_t>(parts_of(a.groups * a.rows, a.width)),
          .width = a.width,
          .sums = a.d_gain};
}

Work first_half_work(const RmsNormBackward& a) {
  const double d_out = a.d_out != nullptr ? sizeof(bf16) : sizeof(float);
  const double d_x = (a.d_x != nullptr ? sizeof(bf16) : sizeof(float)) * (a.add ? 2.0 : 1.0);
  const double partials = static_cast<double>(parts_of(a.groups * a.rows, a.width)) * sizeof(float);
  return {.other_bytes = (static_cast<double>(a.groups * a.rows) * (sizeof(bf16) + d_out + d_x) +
                          sizeof(bf16) + partials) *
                         a.width};
}

/// With what always holds made explicit.
RmsNormBackward completed(RmsNormBackward a) {
  if (a.d_x_float != nullptr) a.add = true;
  return a;
}

}  // namespace

int64_t rms_norm_backward_workspace(int64_t rows, int32_t width) {
  return parts_of(rows, width) * width;
}

Work rms_norm_backward_work(const RmsNormBackward& a) {
  Work work = first_half_work(completed(a));
  work += partial_sums_work(second_half(a));
  return work;
}

void rms_norm_backward(Stream& stream, const RmsNormBackward& arguments) {
  const RmsNormBackward a = completed(arguments);
  if (a.width > RmsNormBackward::widest) {
    throw Error("rms_norm_backward: rows are " + std::to_string(a.width) + " wide; " +
                std::to_string(RmsNormBackward::widest) + " is the most");
  }
  const Op op{"rms_norm_backward", first_half_work(a)};
  const PartialSums sums = second_half(a);
  const auto blocks = static_cast<unsigned>(sums.parts);
  if (a.d_x_float != nullptr && a.d_out_float != nullptr) {
    launch(stream, op, blocks, a, Operands<float, float>{a.d_out_float, a.d_x_float});
  } else if (a.d_x_float != nullptr) {
    launch(stream, op, blocks, a, Operands<bf16, float>{a.d_out, a.d_x_float});
  } else if (a.d_out_float != nullptr) {
    launch(stream, op, blocks, a, Operands<float, bf16>{a.d_out_float, a.d_x});
  } else {
    launch(stream, op, blocks, a, Operands<bf16, bf16>{a.d_out, a.d_x});
  }
  partial_sums(stream, sums);
}

}  // namespace photon::PHOTON_GPU
