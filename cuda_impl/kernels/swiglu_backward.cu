// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/swiglu_backward.h"

#include "cuda_impl/kernels/pack_width.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 256;

// A thread reads its elements of gate and up before it writes there: the two may be one.
template <int N>
__global__ void __launch_bounds__(threads) swiglu_backward_kernel(SwigluBackward a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t packs_a_row = a.ffn / N;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (index < a.rows * packs_a_row) {
    const int64_t row = index / packs_a_row;
    const int64_t i = index % packs_a_row * N;
    const int64_t at = row * 2 * a.ffn + i;
    Pack<bf16, N> gate = load_pack<N>(a.gate_up + at);
    Pack<bf16, N> up = load_pack<N>(a.gate_up + at + a.ffn);
    const Pack<bf16, N> d = load_pack<N>(a.d_out + row * a.ffn + i);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float x = to_float(gate.v[j]);
      const float sigmoid = 1.0f / (1.0f + expf(-x));
      const float by_sigmoid = to_float(d.v[j]) * sigmoid;
      gate.v[j] = to_bf16(by_sigmoid * to_float(up.v[j]) * (1.0f + x * (1.0f - sigmoid)));
      up.v[j] = to_bf16(by_sigmoid * x);
    }
    store_pack(a.d_gate_up + at, gate);
    store_pack(a.d_gate_up + at + a.ffn, up);
  }
}

template <int N>
void launch(Stream& stream, const SwigluBackward& a) {
  const int64_t packs = a.rows * (a.ffn / N);
  const dim3 blocks(static_cast<unsigned>((packs + threads - 1) / threads));
  stream.launch({"swiglu_backward", swiglu_backward_work(a)}, {blocks, threads}, swiglu_backward_kernel<N>,
                a);
}

}  // namespace

Work swiglu_backward_work(const SwigluBackward& a) {
  return {.other_bytes = 5.0 * static_cast<double>(a.rows * a.ffn) * sizeof(bf16)};
}

void swiglu_backward(Stream& stream, const SwigluBackward& a) {
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
