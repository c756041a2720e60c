// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/adamw.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int32_t threads = 256;

// N elements at a time of a tile that is trained.
template <int N>
__device__ void update(const AdamW& a, const ParameterTile& tile) {
  const AdamWFactors& f = a.factors;
  const float keep = tile.decay ? f.shrink : 1.0f;
  for (int32_t i = static_cast<int32_t>(threadIdx.x) * N; i < tile.count; i += threads * N) {
    const int64_t at = tile.offset + i;
    Pack<float, N> p = load_pack<N>(a.parameters + at);
    const Pack<float, N> gradient = load_pack<N>(a.gradients + at);
    Pack<float, N> m = load_pack<N>(a.first + at);
    Pack<float, N> v = load_pack<N>(a.second + at);
    Pack<bf16, N> rounded;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float g = gradient.v[j] * f.scale;
      m.v[j] = f.beta1 * m.v[j] + f.new1 * g;
      v.v[j] = f.beta2 * v.v[j] + f.new2 * (g * g);
      p.v[j] = keep * p.v[j] - f.rate * m.v[j] / (sqrtf(v.v[j]) * f.root_correction + f.epsilon);
      rounded.v[j] = to_bf16(p.v[j]);
    }
    store_pack(a.parameters + at, p);
    store_pack(a.gradients + at, Pack<float, N>{});
    store_pack(a.first + at, m);
    store_pack(a.second + at, v);
    store_pack(a.weights + tile.place + i, rounded);
  }
}

// One block a tile.
__global__ void __launch_bounds__(threads) adamw_kernel(AdamW a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const ParameterTile tile = a.tiles[blockIdx.x];
  if (!tile.trained) {
    for (auto i = static_cast<int32_t>(threadIdx.x); i < tile.count; i += threads) {
      a.gradients[tile.offset + i] = 0.0f;
    }
  } else if ((tile.offset | tile.place | tile.count) % 4 == 0) {
    update<4>(a, tile);
  } else {
    update<1>(a, tile);
  }
}

}  // namespace

Work adamw_work(const AdamW& a) {
  constexpr double trained = 8.0 * sizeof(float) + sizeof(bf16);
  return {.other_bytes = static_cast<double>(a.trained_elements) * trained +
                         static_cast<double>(a.frozen_elements) * sizeof(float) +
                         static_cast<double>(a.tile_count) * sizeof(ParameterTile)};
}

void adamw(Stream& stream, const AdamW& a) {
  const Grid grid{dim3(static_cast<unsigned>(a.tile_count)), threads};
  stream.launch({"adamw", adamw_work(a)}, grid, adamw_kernel, a);
}

}  // namespace photon::PHOTON_GPU
