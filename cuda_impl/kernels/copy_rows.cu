// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/copy_rows.h"

#include "cuda_impl/kernels/pack_width.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 256;

template <int N>
__global__ void __launch_bounds__(threads) copy_rows_kernel(CopyRows a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t packs_a_group = static_cast<int64_t>(a.rows) * a.width / N;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (index < a.groups * packs_a_group) {
    const int64_t group = index / packs_a_group;
    const int64_t i = index % packs_a_group * N;
    store_pack(a.to + group * a.to_stride + i, load_pack<N>(a.from + group * a.from_stride + i));
  }
}

}  // namespace

Work copy_rows_work(const CopyRows& a) {
  return {.other_bytes = 2.0 * static_cast<double>(a.groups * a.rows * a.width) * sizeof(bf16)};
}

void copy_rows(Stream& stream, const CopyRows& a) {
  const int width = pack_width({a.width, a.from_stride, a.to_stride});
  const int64_t packs = a.groups * a.rows * a.width / (width == 4 ? 2 : width);
  const dim3 blocks(static_cast<unsigned>((packs + threads - 1) / threads));
  const auto kernel = width == 8   ? copy_rows_kernel<8>
                      : width >= 2 ? copy_rows_kernel<2>
                                   : copy_rows_kernel<1>;
  stream.launch({"copy_rows", copy_rows_work(a)}, {blocks, threads}, kernel, a);
}

}  // namespace photon::PHOTON_GPU
