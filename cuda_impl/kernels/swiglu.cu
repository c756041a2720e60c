// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/swiglu.h"

#include "cuda_impl/kernels/pack_width.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 256;

template <int N>
__global__ void __launch_bounds__(threads) swiglu_kernel(Swiglu a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t packs_a_row = a.ffn / N;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (index < a.rows * packs_a_row) {
    const int64_t row = index / packs_a_row;
    const int64_t i = index % packs_a_row * N;
    const bf16* from = a.gate_up + row * 2 * a.ffn + i;
    const Pack<bf16, N> gate = load_pack<N>(from);
    const Pack<bf16, N> up = load_pack<N>(from + a.ffn);
    Pack<bf16, N> out;
#pragma unroll
    for (int j = 0; j < N; ++j) out.v[j] = to_bf16(silu(to_float(gate.v[j])) * to_float(up.v[j]));
    store_pack(a.out + row * a.ffn + i, out);
  }
}

template <int N>
void launch(Stream& stream, const Swiglu& a) {
  const int64_t packs = a.rows * (a.ffn / N);
  const dim3 blocks(static_cast<unsigned>((packs + threads - 1) / threads));
  stream.launch({"swiglu", swiglu_work(a)}, {blocks, threads}, swiglu_kernel<N>, a);
}

}  // namespace

Work swiglu_work(const Swiglu& a) {
  return {.other_bytes = 3.0 * static_cast<double>(a.rows * a.ffn) * sizeof(bf16)};
}

void swiglu(Stream& stream, const Swiglu& a) {
  const int width = pack_width({a.ffn});
  if (width == 8) {
    launch<8>(stream, a);
  } else if (width >= 2) {
    launch<2>(stream, a);
  } else {
    launch<1>(stream, a);
  }
}

}  // namespace photon::PHOTON_GPU
