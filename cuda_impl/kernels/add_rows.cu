// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/add_rows.h"

#include "cuda_impl/kernels/elements.h"
#include "cuda_impl/kernels/pack_width.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 256;

template <int N, class From, class To>
__global__ void __launch_bounds__(threads) add_rows_kernel(AddRows a, const From* from, To* to) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t packs_a_group = static_cast<int64_t>(a.rows) * a.width / N;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (index < a.groups * packs_a_group) {
    const int64_t group = index / packs_a_group;
    const int64_t i = index % packs_a_group * N;
    const Elements<From, N> x = load_elements<N>(from + group * a.from_stride + i);
    to += group * a.to_stride + i;
    Elements<To, N> y{};
    if (a.add) y = load_elements<N>(static_cast<const To*>(to));
#pragma unroll
    for (int j = 0; j < N; ++j) y.set(j, a.add ? y[j] + x[j] : x[j]);
    store_elements<N>(to, y);
  }
}

template <class From, class To>
void launch(Stream& stream, const AddRows& a, const From* from, To* to) {
  const int width = pack_width({a.width, a.from_stride, a.to_stride});
  const int64_t packs = a.groups * a.rows * a.width / (width == 4 ? 2 : width);
  const dim3 blocks(static_cast<unsigned>((packs + threads - 1) / threads));
  const auto kernel = width == 8   ? add_rows_kernel<8, From, To>
                      : width >= 2 ? add_rows_kernel<2, From, To>
                                   : add_rows_kernel<1, From, To>;
  stream.launch({"add_rows", add_rows_work(a)}, {blocks, threads}, kernel, a, from, to);
}

}  // namespace

Work add_rows_work(const AddRows& a) {
  const double read = a.from != nullptr ? sizeof(bf16) : sizeof(float);
  const double written = (a.to != nullptr ? sizeof(bf16) : sizeof(float)) * (a.add ? 2.0 : 1.0);
  return {.other_bytes = (read + written) * static_cast<double>(a.groups * a.rows * a.width)};
}

void add_rows(Stream& stream, const AddRows& a) {
  if (a.from_float != nullptr) {
    launch(stream, a, a.from_float, a.to);
  } else if (a.to_float != nullptr) {
    launch(stream, a, a.from, a.to_float);
  } else {
    launch(stream, a, a.from, a.to);
  }
}

}  // namespace photon::PHOTON_GPU
