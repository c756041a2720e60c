// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/rotate_append.h"

#include <algorithm>

#include "core/cost/cost.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned most_threads = 256;

// One block a unit. A thread turns pairs (i, i + head_size / 2) of a head; v is copied as it is.
__global__ void __launch_bounds__(most_threads) rotate_append_kernel(RotateAppend a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t row = blockIdx.x / a.units;
  const int32_t i = static_cast<int32_t>(blockIdx.x % a.units);
  const int32_t first = a.position.start == nullptr ? 0 : a.position.unit(row);
  const bool idle = first < 0;
  const int32_t unit = idle ? 0 : first + i;
  bf16* packed = a.qkv + static_cast<int64_t>(blockIdx.x) * a.shape.packed_width();
  const int half = a.shape.head_size / 2;
  const float* rotations = a.rotations + static_cast<int64_t>(unit) * 2 * half;
  const bool stored = a.cache.k != nullptr && !idle && unit >= a.keep_from;
  const int64_t sequence = a.sequence == nullptr ? row : a.sequence[row];
  const int32_t slot = stored ? a.cache.slot(unit, a.first_unit == nullptr ? 0 : a.first_unit[sequence]) : 0;
  const auto in_cache = [&](int32_t head) {
    return ((sequence * a.shape.kv_heads + head) * a.cache.capacity + slot) * a.shape.head_size;
  };
  const int pairs = (a.shape.heads + a.shape.kv_heads) * half;
  for (int p = static_cast<int>(threadIdx.x); p < pairs; p += static_cast<int>(blockDim.x)) {
    const int32_t head = p / half;  // keys follow the queries
    const int j = p % half;
    bf16* at = packed + head * a.shape.head_size + j;
    const float c = rotations[2 * j];
    const float s = rotations[2 * j + 1];
    const float x = to_float(at[0]);
    const float y = to_float(at[half]);
    const bf16 turned_x = to_bf16(x * c - y * s);
    const bf16 turned_y = to_bf16(y * c + x * s);
    if (head < a.shape.heads || a.keys_in_place) {
      at[0] = turned_x;
      at[half] = turned_y;
    }
    if (head >= a.shape.heads && stored) {
      bf16* k = a.cache.k + in_cache(head - a.shape.heads) + j;
      k[0] = turned_x;
      k[half] = turned_y;
    }
  }
  if (stored) {
    const bf16* v = packed + a.shape.width() + a.shape.kv_width();
    for (int p = static_cast<int>(threadIdx.x) * 2; p < a.shape.kv_width();
         p += 2 * static_cast<int>(blockDim.x)) {
      bf16* to = a.cache.v + in_cache(p / a.shape.head_size) + p % a.shape.head_size;
      store_pack(to, load_pack<2>(v + p));
    }
  }
}

}  // namespace

Work rotate_append_work(const RotateAppend& a, double stored) {
  const StackShape shape{.width = a.shape.width(), .heads = a.shape.heads, .kv_heads = a.shape.kv_heads};
  Work work = attention_work(shape, 0.0, 0.0, a.cache.k == nullptr ? 0.0 : stored, sizeof(bf16));
  const double turned = a.shape.width() + (a.keys_in_place ? a.shape.kv_width() : 0);
  work.other_bytes = static_cast<double>(a.rows * a.units) * (a.shape.packed_width() + turned) * sizeof(bf16);
  return work;
}

void rotate_append(Stream& stream, const RotateAppend& a, double stored) {
  const int32_t pairs = (a.shape.heads + a.shape.kv_heads) * a.shape.head_size / 2;
  const auto warps = static_cast<unsigned>(std::clamp((pairs + warp_size - 1) / warp_size, 1, 8));
  const Grid grid{dim3(static_cast<unsigned>(a.rows * a.units)), warps * warp_size};
  stream.launch({"rotate_append", rotate_append_work(a, stored)}, grid, rotate_append_kernel, a);
}

}  // namespace photon::PHOTON_GPU
