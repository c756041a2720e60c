// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/prefill_attention.h"

#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/flash_tile.h"
#include "cuda_impl/kernels/prefill_attention_wide.h"
#include "cuda_impl/kernels/softmax_scale.h"

namespace photon::PHOTON_GPU {
namespace {

struct PrefillKernel {
  PrefillAttention op;
  FlashCopy copy;
  float scale;
  FastDivision heads;
  FastDivision tiles;
  FastDivision grouped;
  FastDivision block;  ///< of `visible`, or anything
};

/// What the queries of a lane see, as units before `first_key` go uncounted.
struct PrefillVisible {
  const PrefillKernel& p;
  int32_t unit;  ///< of query (0, 0)
  int32_t first_key;

  __device__ bool present(int m, int h) const { return unit + 16 * m + 8 * h < p.op.units; }
  __device__ int32_t end(int m, int h) const { return unit + 16 * m + 8 * h + 1 - first_key; }
  __device__ int32_t begin(int m, int h) const {
    const int32_t u = unit + 16 * m + 8 * h;
    if (p.op.visible.block > 0) {
      const uint32_t block = p.block.quotient(static_cast<uint32_t>(u)) * p.block.divisor();
      return static_cast<int32_t>(block) - first_key;
    }
    return p.op.visible.first(u) - first_key;
  }
};

// A block for each (sequence, tile of queries, head). The tiles of a sequence, which see different numbers of
// keys, come longest first, so that what is left at the end is short; its heads lie together, so that its
// keys are read from memory once.
template <int D, int M, bool precise, bool kept>
__global__ void __launch_bounds__(128) prefill_attention_kernel(PrefillKernel p) {
  using Tile = FlashTile<D, M, false, precise, kept>;
  const PrefillAttention& a = p.op;
  const uint32_t above = p.heads.quotient(blockIdx.x);
  const auto head = static_cast<int32_t>(blockIdx.x - above * p.heads.divisor());
  const uint32_t sequence = p.tiles.quotient(above);
  const uint32_t tile = p.tiles.divisor() - 1 - (above - sequence * p.tiles.divisor());
  const int32_t rows_a_block = static_cast<int32_t>(blockDim.x) / warp_size * Tile::rows;
  const int32_t first = static_cast<int32_t>(tile) * rows_a_block;
  const int32_t end = min(first + rows_a_block, a.units);
  const int32_t first_key = a.visible.first(first);
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int32_t warp_first = first + static_cast<int32_t>(threadIdx.x) / warp_size * Tile::rows;
  const PrefillVisible visible{p, warp_first + lane / 4, first_key};
  const int32_t packed = a.shape.packed_width();
  const int32_t kv_head = static_cast<int32_t>(p.grouped.quotient(static_cast<uint32_t>(head)));
  const bf16* rows = a.qkv + sequence * (static_cast<int64_t>(a.units) * packed);
  const bf16* q = rows + head * a.shape.head_size;
  const bf16* k =
      rows + static_cast<int64_t>(first_key) * packed + a.shape.width() + kv_head * a.shape.head_size;
  const FlashKeys keys{k, k + a.shape.kv_width(), packed, 0, a.units, end - first_key};

  wait_for_previous_kernel();
  let_next_kernel_start();
  const auto query = [&](int row) {
    return first + row < a.units ? q + static_cast<int64_t>(first + row) * packed : nullptr;
  };
  Tile state;
  state.attend(query, keys, p.copy, visible, p.scale);

  if constexpr (kept) {
    float* const lse =
        a.lse + (static_cast<int64_t>(sequence) * a.shape.heads + head) * a.units + visible.unit;
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float sum = state.sum[m][h];
        sum += __shfl_xor_sync(full_warp, sum, 1);
        sum += __shfl_xor_sync(full_warp, sum, 2);
        if (lane % 4 == 0 && visible.present(m, h)) {
          lse[16 * m + 8 * h] = log_of_powers(state.most[m][h] * p.scale, sum);
        }
      }
    }
  }
  bf16* out = a.out + sequence * (static_cast<int64_t>(a.units) * a.shape.width()) + head * a.shape.head_size;
#pragma unroll
  for (int m = 0; m < M; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (!visible.present(m, h)) continue;
      const float inverse = fast_reciprocal(state.norm[m][2 * h]);
      bf16* to = out + static_cast<int64_t>((visible.unit + 16 * m + 8 * h)) * a.shape.width();
#pragma unroll
      for (int d = 0; d < D; ++d) {
        const int column = 8 * d + 2 * (lane % 4);
        const float* x = state.out[m][d] + 2 * h;
        if (column < a.shape.head_size) {
          store_pairs<2>(to + column, {{to_bf16_pair(x[0] * inverse, x[1] * inverse)}});
        }
      }
    }
  }
}

template <int D, int M, bool precise, bool kept>
void launch(Stream& stream, const PrefillAttention& a) {
  using Tile = FlashTile<D, M, false, precise, kept>;
  constexpr int most_warps = 4;
  const FlashCopy copy(a.shape.head_size);
  const int32_t warps = std::clamp((a.units + Tile::rows - 1) / Tile::rows, copy.least_warps(), most_warps);
  const int32_t tiles = (a.units + warps * Tile::rows - 1) / (warps * Tile::rows);
  const int64_t blocks = a.sequences * a.shape.heads * tiles;
  if (blocks >= int64_t{1} << 31) {
    throw Error("prefill attention of " + std::to_string(a.sequences) + " sequences of " +
                std::to_string(a.units) + " units takes " + std::to_string(blocks) +
                " blocks; fewer than 2^31 fit one launch");
  }
  const PrefillKernel p{a,
                        copy,
                        softmax_scale(a.shape.head_size),
                        FastDivision(static_cast<uint32_t>(a.shape.heads)),
                        FastDivision(static_cast<uint32_t>(tiles)),
                        FastDivision(static_cast<uint32_t>(a.shape.heads / a.shape.kv_heads)),
                        FastDivision(static_cast<uint32_t>(a.visible.block > 0 ? a.visible.block : 1))};
  const Grid grid{dim3(static_cast<unsigned>(blocks)), static_cast<unsigned>(warps * warp_size),
                  Tile::shared_bytes(static_cast<unsigned>(warps))};
  stream.launch({"prefill_attention", prefill_attention_work(a)}, grid,
                prefill_attention_kernel<D, M, precise, kept>, p);
}

template <int D, int M, bool precise>
void launch(Stream& stream, const PrefillAttention& a) {
  a.lse == nullptr ? launch<D, M, precise, false>(stream, a) : launch<D, M, precise, true>(stream, a);
}

template <int D, int M>
void launch(Stream& stream, const PrefillAttention& a) {
  // Bytes bind until a query sees more keys than this.
  constexpr int32_t few_keys = 128;
  int32_t most_seen = a.units;
  if (a.visible.window > 0) most_seen = std::min(most_seen, a.visible.window);
  if (a.visible.block > 0) most_seen = std::min(most_seen, a.visible.block);
  most_seen <= few_keys ? launch<D, M, true>(stream, a) : launch<D, M, false>(stream, a);
}

}  // namespace

Work prefill_attention_work(const PrefillAttention& a) {
  const StackShape shape{.width = a.shape.width(), .heads = a.shape.heads, .kv_heads = a.shape.kv_heads};
  double pairs = 0.0;
  for (int32_t unit = 0; unit < a.units; ++unit) pairs += unit + 1 - a.visible.first(unit);
  Work work = attention_work(shape, static_cast<double>(a.sequences) * pairs, 0.0, 0.0, sizeof(bf16));
  work.other_bytes =
      static_cast<double>(a.sequences) * a.units * (a.shape.packed_width() + a.shape.width()) * sizeof(bf16);
  if (a.lse != nullptr) {
    work.other_bytes += static_cast<double>(a.sequences) * a.units * a.shape.heads * sizeof(float);
  }
  return work;
}

void prefill_attention(Stream& stream, const PrefillAttention& a) {
  if (a.sequences == 0 || a.units == 0) return;
  if (a.shape.head_size > largest_flash_head) {
    prefill_attention_wide(stream, a);
  } else if (a.shape.head_size > 64) {
    launch<16, 1>(stream, a);
  } else if (a.shape.head_size > 56) {
    launch<8, 2>(stream, a);
  } else {
    launch<7, 2>(stream, a);
  }
}

}  // namespace photon::PHOTON_GPU
