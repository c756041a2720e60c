// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/rms_norm.h"

#include <algorithm>

#include "cuda_impl/kernels/pack_width.h"
#include "cuda_impl/kernels/reduce.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned most_threads = 256;

// One block a row; N elements a load. The second pass over x comes from the first-level cache.
template <int N>
__global__ void __launch_bounds__(most_threads) rms_norm_kernel(RmsNorm a) {
  using Partial = float[most_threads / warp_size];
  PHOTON_SHARED(Partial, partial);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t row = blockIdx.x;
  const bf16* x = a.x + row * a.x_stride;
  const int first = static_cast<int>(threadIdx.x) * N;
  const int step = static_cast<int>(blockDim.x) * N;
  float sum = 0.0f;
  for (int i = first; i < a.width; i += step) {
    const Pack<bf16, N> p = load_pack<N>(x + i);
#pragma unroll
    for (int j = 0; j < N; ++j) sum += to_float(p.v[j]) * to_float(p.v[j]);
  }
  sum = block_sum(sum, partial);
  const float scale = rsqrtf(sum / static_cast<float>(a.width) + a.eps);
  for (int i = first; i < a.width; i += step) {
    Pack<bf16, N> p = load_pack<N>(x + i);
    const Pack<bf16, N> gain = load_pack<N>(a.gain + i);
#pragma unroll
    for (int j = 0; j < N; ++j) p.v[j] = to_bf16(to_float(p.v[j]) * scale * to_float(gain.v[j]));
    store_pack(a.out + row * a.out_stride + i, p);
    if (a.copy != nullptr) store_pack(a.copy + row * a.copy_stride + i, p);
  }
}

}  // namespace

Work rms_norm_work(const RmsNorm& a) {
  const double results = a.copy == nullptr ? 1.0 : 2.0;
  const double elements = (1.0 + results) * static_cast<double>(a.rows * a.width) + a.width;
  return {.other_bytes = elements * sizeof(bf16)};
}

void rms_norm(Stream& stream, const RmsNorm& a) {
  const bool wide = pack_width({a.width, a.x_stride, a.out_stride, a.copy_stride}) == 8;
  const int32_t loads = a.width / (wide ? 8 : 2);
  const auto warps = static_cast<unsigned>(std::clamp((loads + warp_size - 1) / warp_size, 1, 8));
  const Grid grid{dim3(static_cast<unsigned>(a.rows)), warps * warp_size};
  stream.launch({"rms_norm", rms_norm_work(a)}, grid, wide ? rms_norm_kernel<8> : rms_norm_kernel<2>, a);
}

}  // namespace photon::PHOTON_GPU
