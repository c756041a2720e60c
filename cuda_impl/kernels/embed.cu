// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/embed.h"

#include "cuda_impl/kernels/pack_width.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 128;

// One block a token.
template <int N>
__global__ void __launch_bounds__(threads) embed_kernel(Embed a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t index = blockIdx.x;
  const int32_t token = a.slots.tokens[a.slots.at(index / a.count, index % a.count)];
  const bf16* from = a.table + static_cast<int64_t>(token) * a.width;
  bf16* to = a.out + index * a.out_stride;
  for (int i = static_cast<int>(threadIdx.x) * N; i < a.width; i += N * static_cast<int>(threads)) {
    store_pack(to + i, load_pack<N>(from + i));
  }
}

}  // namespace

Work embed_work(const Embed& a) {
  const auto elements = static_cast<double>(a.rows * a.count * a.width);
  return {.other_bytes = 2.0 * elements * sizeof(bf16)};
}

void embed(Stream& stream, const Embed& a) {
  const int width = pack_width({a.width, a.out_stride});
  const auto kernel = width == 8 ? embed_kernel<8> : width >= 2 ? embed_kernel<2> : embed_kernel<1>;
  const dim3 blocks(static_cast<unsigned>(a.rows * a.count));
  stream.launch({"embed", embed_work(a)}, {blocks, threads}, kernel, a);
}

}  // namespace photon::PHOTON_GPU
