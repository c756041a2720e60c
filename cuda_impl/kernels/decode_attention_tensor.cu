// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "cuda_impl/kernels/decode_attention_parts.h"
#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/flash_tile.h"
#include "cuda_impl/kernels/softmax_scale.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int32_t most_warps = 4;

struct TensorKernel {
  DecodeAttention op;
  PartialStates states;
  FlashCopy copy;
  float scale;
  bool shared;         ///< a set of queries is those of a prompt's samples, else of a row
  bool writes_out;     ///< one part is all
  int32_t parts;       ///< of these caches
  int32_t first_part;  ///< among all parts
  int32_t rows_a_set;
  FastDivision tiles;  ///< of a set's queries
  FastDivision split;
  FastDivision heads;    ///< of keys
  FastDivision a_row;    ///< queries of a row and key's head
  FastDivision grouped;  ///< query heads of a key's head
};

/// Query `index` of the set and key's head: units of a row beside each other, grouped heads of a unit too.
struct Query {
  int64_t row;
  int32_t unit;
  int32_t head;
  int32_t now;  ///< position of the row's first new unit; < 0: idle or no such query
};

__device__ Query find_query(const TensorKernel& p, uint32_t set, int32_t kv_head, int32_t index) {
  const uint32_t sample = p.a_row.quotient(static_cast<uint32_t>(index));
  const uint32_t in_row = static_cast<uint32_t>(index) - sample * p.a_row.divisor();
  const uint32_t unit = p.grouped.quotient(in_row);
  Query q{static_cast<int64_t>(set) * p.rows_a_set + sample, static_cast<int32_t>(unit),
          static_cast<int32_t>(kv_head * p.grouped.divisor() + in_row - unit * p.grouped.divisor()), -1};
  if (sample < static_cast<uint32_t>(p.rows_a_set) && q.row < p.op.rows) q.now = p.op.position.unit(q.row);
  return q;
}

struct DecodeVisible {
  int32_t first_key[2];
  int32_t end_key[2];

  __device__ bool present(int, int h) const { return end_key[h] > first_key[h]; }
  __device__ int32_t begin(int, int h) const { return first_key[h]; }
  __device__ int32_t end(int, int h) const { return end_key[h]; }
};

/// A block for each (set, kv head, part, tile of its queries), 16 queries a warp. Tiles of the same keys are
/// neighbours, so that one of them reads those keys from memory for all.
template <int D>
__global__ void __launch_bounds__(most_warps* warp_size) decode_attention_tensor_kernel(TensorKernel p) {
  using Tile = FlashTile<D, 1, true, true>;
  wait_for_previous_kernel();
  let_next_kernel_start();
  const DecodeAttention& a = p.op;
  const uint32_t above_tile = p.tiles.quotient(blockIdx.x);
  const auto tile = static_cast<int32_t>(blockIdx.x - above_tile * p.tiles.divisor());
  const uint32_t above_part = p.split.quotient(above_tile);
  const auto part = static_cast<int32_t>(above_tile - above_part * p.split.divisor());
  const uint32_t set = p.heads.quotient(above_part);
  const auto kv_head = static_cast<int32_t>(above_part - set * p.heads.divisor());
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int32_t head_size = a.shape.head_size;

  // The part's keys. Those of a shared prefix are the same whatever its rows are at, and whole tiles that no
  // row sees are left out: that leaves every state as it is.
  int32_t first;
  int32_t end;
  int32_t slot_0;
  int32_t seen_from = 0x7fffffff;
  if (p.shared) {
    slot_0 = first = a.shared.first[set];
    end = first + a.shared.count[set];
    for (int32_t s = lane; s < p.rows_a_set; s += warp_size) {
      const int64_t row = static_cast<int64_t>(set) * p.rows_a_set + s;
      const int32_t now = row < a.rows ? a.position.unit(row) : -1;
      if (now >= 0) seen_from = min(seen_from, a.visible.first(now));
    }
    seen_from = __reduce_min_sync(full_warp, seen_from);
  } else {
    const int32_t now = a.position.unit(set);
    slot_0 = first_own_unit(a.shared, set);
    if (now >= 0) seen_from = a.visible.first(now);
    first = max(slot_0, now >= 0 ? seen_from : 0);
    end = now >= 0 ? now + a.units : 0;
  }
  KeyPart keys = key_part(first, end, p.parts, part);
  if (seen_from > keys.begin) {
    const int32_t unseen = min((seen_from - keys.begin) / flash_keys * flash_keys, keys.count);
    keys.begin += unseen;
    keys.count -= unseen;
  }

  const int32_t first_query = tile * static_cast<int32_t>(blockDim.x / warp_size) * Tile::rows;
  const int32_t of_lane = first_query + static_cast<int32_t>(threadIdx.x / warp_size) * Tile::rows + lane / 4;
  DecodeVisible visible;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const Query q = find_query(p, set, kv_head, of_lane + 8 * h);
    visible.first_key[h] = q.now < 0 ? 0 : max(a.visible.first(q.now + q.unit) - keys.begin, 0);
    visible.end_key[h] = q.now < 0 ? 0 : min(q.now + q.unit + 1 - keys.begin, keys.count);
  }
  const CacheView& cache = p.shared ? a.shared.cache : a.cache;
  const int64_t at = (static_cast<int64_t>(set) * a.shape.kv_heads + kv_head) * cache.capacity *
                     static_cast<int64_t>(head_size);
  const FlashKeys flash{cache.k + at,   cache.v + at,
                        head_size,      keys.count > 0 ? cache.slot(keys.begin, slot_0) : 0,
                        cache.capacity, keys.count};
  const auto query = [&](int row) -> const bf16* {
    const Query q = find_query(p, set, kv_head, first_query + row);
    if (q.now < 0) return nullptr;
    return a.q + (q.row * a.units + q.unit) * a.q_stride + q.head * head_size;
  };
  Tile state;
  state.attend(query, flash, p.copy, visible, p.scale);

#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const Query q = find_query(p, set, kv_head, of_lane + 8 * h);
    const bool exists =
        of_lane + 8 * h < p.rows_a_set * static_cast<int32_t>(p.a_row.divisor()) && q.row < a.rows;
    if (!exists) continue;
    const int64_t index = (q.row * a.units + q.unit) * a.shape.heads + q.head;
    const int64_t state_index = p.states.index(index, p.first_part + part);
    const float norm = state.norm[0][2 * h];
    const float inverse = norm > 0.0f ? fast_reciprocal(norm) : 0.0f;
#pragma unroll
    for (int d = 0; d < D; ++d) {
      const int column = 8 * d + 2 * (lane % 4);
      const float* x = state.out[0][d] + 2 * h;
      if (column >= head_size) continue;
      if (p.writes_out) {
        store_pairs<2>(a.out + index * head_size + column, {{to_bf16_pair(x[0] * inverse, x[1] * inverse)}});
      } else {
        store_pack(p.states.sums + state_index * head_size + column, Pack<float, 2>{{x[0], x[1]}});
      }
    }
    if (!p.writes_out && lane % 4 == 0) {
      p.states.norms[state_index] = {{state.most[0][h] * p.scale, norm}};
    }
  }
}

template <int D>
void launch(Stream& stream, const DecodeAttention& a, bool shared, const Work& work) {
  using Tile = FlashTile<D, 1, true, true>;
  const int32_t group = a.shape.heads / a.shape.kv_heads;
  const int32_t samples = shared ? a.shared.samples : 1;
  const int64_t sets = (a.rows + samples - 1) / samples;
  const int32_t queries = samples * a.units * group;
  const FlashCopy copy(a.shape.head_size);
  const int32_t warps = (queries + Tile::rows - 1) / Tile::rows;
  const int32_t warps_a_block = std::clamp(warps, copy.least_warps(), most_warps);
  const auto tiles = static_cast<uint32_t>((warps + warps_a_block - 1) / warps_a_block);
  const int32_t parts = shared ? a.shared_splits : a.splits;
  const int64_t blocks = sets * a.shape.kv_heads * parts * tiles;
  if (blocks >= int64_t{1} << 31) {
    throw Error("decode attention of " + std::to_string(a.rows) + " rows in " + std::to_string(parts) +
                " parts takes " + std::to_string(blocks) + " blocks; fewer than 2^31 fit one launch");
  }
  const TensorKernel p{.op = a,
                       .states = partial_states(a),
                       .copy = copy,
                       .scale = softmax_scale(a.shape.head_size),
                       .shared = shared,
                       .writes_out = a.splits + a.shared_splits == 1,
                       .parts = parts,
                       .first_part = shared ? a.splits : 0,
                       .rows_a_set = samples,
                       .tiles = FastDivision(tiles),
                       .split = FastDivision(static_cast<uint32_t>(parts)),
                       .heads = FastDivision(static_cast<uint32_t>(a.shape.kv_heads)),
                       .a_row = FastDivision(static_cast<uint32_t>(a.units * group)),
                       .grouped = FastDivision(static_cast<uint32_t>(group))};
  const Grid grid{dim3(static_cast<unsigned>(blocks)), static_cast<unsigned>(warps_a_block * warp_size),
                  Tile::shared_bytes(static_cast<unsigned>(warps_a_block))};
  stream.launch({shared ? "decode_attention_shared" : "decode_attention", work}, grid,
                decode_attention_tensor_kernel<D>, p);
}

}  // namespace

void launch_tensor_parts(Stream& stream, const DecodeAttention& a, bool shared, const Work& work) {
  if (a.shape.head_size > 64) {
    launch<16>(stream, a, shared, work);
  } else if (a.shape.head_size > 56) {
    launch<8>(stream, a, shared, work);
  } else {
    launch<7>(stream, a, shared, work);
  }
}

}  // namespace photon::PHOTON_GPU
