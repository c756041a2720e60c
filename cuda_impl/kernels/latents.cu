// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/latents.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 128;
constexpr int pack = 2;

// Latent i of the row's new ones, or, for i < 0, of those before.
__device__ const bf16* latent(const Latents& a, int64_t row, int32_t i) {
  if (i >= 0) return a.latest + row * a.latest_stride + static_cast<int64_t>(i) * a.width;
  return a.history == nullptr ? a.start : a.history + (row * a.context + a.context + i) * a.width;
}

// One block an output vector of one latent.
__global__ void __launch_bounds__(threads)
    gather_conditioning_kernel(Latents a, bool previous, int32_t first_chunk, int32_t chunks, bf16* out) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t index = blockIdx.x;
  const auto k = static_cast<int32_t>(index % a.context);
  const auto chunk = first_chunk + static_cast<int32_t>(index / a.context % chunks);
  const int64_t row = index / a.context / chunks;
  const bf16* from = latent(a, row, chunk - (previous ? 1 : 0) - (a.context - 1) + k);
  bf16* to = out + index * a.width;
  for (int i = static_cast<int>(threadIdx.x) * pack; i < a.width; i += pack * static_cast<int>(threads)) {
    store_pack(to + i, load_pack<pack>(from + i));
  }
}

// One block a history; a thread owns its elements of all K entries, so the shift needs no barrier.
__global__ void __launch_bounds__(threads) push_latents_kernel(Latents a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t row = blockIdx.x / a.samples;  // of the new ones
  const int64_t prompt = a.row_of == nullptr ? row : a.row_of[row];
  bf16* history = a.history + (prompt * a.samples + blockIdx.x % a.samples) * a.context * a.width;
  for (int i = static_cast<int>(threadIdx.x) * pack; i < a.width; i += pack * static_cast<int>(threads)) {
    for (int32_t k = 0; k < a.context; ++k) {
      const int32_t at = k + a.count - a.context;  // among the new ones
      const bf16* from = at < 0 ? history + (a.context + at) * static_cast<int64_t>(a.width)
                                : a.latest + row * a.latest_stride + static_cast<int64_t>(at) * a.width;
      store_pack(history + k * static_cast<int64_t>(a.width) + i, load_pack<pack>(from + i));
    }
  }
}

__global__ void __launch_bounds__(threads) reset_latents_kernel(Latents a, const bf16* start) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  bf16* to = a.history + static_cast<int64_t>(blockIdx.x) * a.width;
  for (int i = static_cast<int>(threadIdx.x) * pack; i < a.width; i += pack * static_cast<int>(threads)) {
    store_pack(to + i, load_pack<pack>(start + i));
  }
}

// One block a latent.
__global__ void __launch_bounds__(threads) keep_latents_kernel(Latents a, KeptLatents to) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t row = blockIdx.x / a.count;
  const int64_t j = blockIdx.x % a.count;
  const int32_t start = to.start[row];
  if (start >= 0) {
    const int64_t at = (start - to.begin[row]) / to.meta_context * static_cast<int64_t>(a.count) + j;
    const bf16* from = a.latest + row * a.latest_stride + j * a.width;
    bf16* out = to.all + (row * to.capacity + at) * a.width;
    for (int i = static_cast<int>(threadIdx.x) * pack; i < a.width; i += pack * static_cast<int>(threads)) {
      store_pack(out + i, load_pack<pack>(from + i));
    }
  }
}

}  // namespace

Work latents_work(const Latents& a, int64_t moved) {
  return {.other_bytes = 2.0 * static_cast<double>(moved * a.width) * sizeof(bf16)};
}

void gather_conditioning(Stream& stream, const Latents& a, bool previous, int32_t first_chunk, int32_t chunks,
                         bf16* out) {
  const int64_t vectors = a.rows * chunks * a.context;
  stream.launch({"gather_conditioning", latents_work(a, vectors)},
                {dim3(static_cast<unsigned>(vectors)), threads}, gather_conditioning_kernel, a, previous,
                first_chunk, chunks, out);
}

void push_latents(Stream& stream, const Latents& a) {
  const int64_t histories = a.rows * a.samples;
  stream.launch({"push_latents", latents_work(a, histories * a.context)},
                {dim3(static_cast<unsigned>(histories)), threads}, push_latents_kernel, a);
}

void keep_latents(Stream& stream, const Latents& a, const KeptLatents& to) {
  const int64_t vectors = a.rows * a.count;
  stream.launch({"keep_latents", latents_work(a, vectors)}, {dim3(static_cast<unsigned>(vectors)), threads},
                keep_latents_kernel, a, to);
}

void reset_latents(Stream& stream, const Latents& a, const bf16* start) {
  const int64_t vectors = a.rows * a.context;
  stream.launch({"reset_latents", latents_work(a, vectors)}, {dim3(static_cast<unsigned>(vectors)), threads},
                reset_latents_kernel, a, start);
}

}  // namespace photon::PHOTON_GPU
