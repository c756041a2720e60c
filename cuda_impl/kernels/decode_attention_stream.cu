// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "core/base/error.h"
#include "cuda_impl/kernels/decode_attention_parts.h"
#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/softmax_scale.h"
#include "cuda_impl/kernels/stream_attention.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 128;

struct StreamKernel {
  DecodeAttention op;
  PartialStates states;
  float scale;
  bool shared;         ///< the shared caches, else the own ones
  bool writes_out;     ///< one part is all
  int32_t parts;       ///< of these caches
  int32_t first_part;  ///< among all parts
  uint32_t warps;
  FastDivision split;  ///< warp / parts
  FastDivision tiles;  ///< / groups of Q queries
  FastDivision heads;  ///< / kv_heads = row
  FastDivision grouped;
};

/// Blocks that a multiprocessor is to hold: what the registers of a tile and of the sums leave room for.
template <class Row, int Q>
constexpr int blocks_at_once = Row::elements* Q <= 8    ? 5
                               : Row::elements* Q <= 16 ? 4
                                                        : 2;

/// A warp for each (row, kv head, Q queries, part).
template <class Row, int Q>
__global__ void __launch_bounds__(threads, (blocks_at_once<Row, Q>))
    decode_attention_stream_kernel(StreamKernel p) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const DecodeAttention& a = p.op;
  const uint32_t warp = blockIdx.x * (threads / warp_size) + threadIdx.x / warp_size;
  if (warp >= p.warps) return;
  const uint32_t stream = p.split.quotient(warp);
  const auto part = static_cast<int32_t>(warp - stream * p.split.divisor());
  const uint32_t place_of_head = p.tiles.quotient(stream);
  const auto tile = static_cast<int32_t>(stream - place_of_head * p.tiles.divisor());
  const uint32_t row = p.heads.quotient(place_of_head);
  const auto kv_head = static_cast<int32_t>(place_of_head - row * p.heads.divisor());

  const int32_t head_size = a.shape.head_size;
  const auto group = static_cast<int32_t>(p.grouped.divisor());
  const typename Row::Place place(head_size);
  const bool first_lanes = threadIdx.x % warp_size < Row::group;
  int32_t unit[Q];
  int32_t head[Q];
  bool present[Q];
  float q[Q][Row::elements];
#pragma unroll
  for (int j = 0; j < Q; ++j) {
    const int32_t query = tile * Q + j;
    present[j] = query < a.units * group;
    const auto known = static_cast<uint32_t>(present[j] ? query : 0);
    unit[j] = static_cast<int32_t>(p.grouped.quotient(known));
    head[j] = kv_head * group + static_cast<int32_t>(known) - unit[j] * group;
    const int64_t q_row = static_cast<int64_t>(row) * a.units + unit[j];
    Row::load(a.q + q_row * a.q_stride, static_cast<uint32_t>(head[j] * head_size), place).to_floats(q[j]);
#pragma unroll
    for (int i = 0; i < Row::elements; ++i) q[j][i] *= place.inside[i / Row::pack_size] ? p.scale : 0.0f;
  }

  const int32_t now = a.position.unit(row);
  const bool idle = now < 0;
  const int32_t own_first = first_own_unit(a.shared, row);
  int32_t first = idle ? 0 : a.visible.first(now);
  int32_t end = idle ? 0 : now + a.units;
  int32_t slot_0 = own_first;
  int64_t sequence = row;
  if (p.shared) {
    sequence = row / static_cast<uint32_t>(a.shared.samples);
    slot_0 = a.shared.first[sequence];
    end = end < own_first ? end : own_first;
  }
  first = first < slot_0 ? slot_0 : first;
  const KeyPart keys = key_part(first, end, p.parts, part);
  const CacheView& cache = p.shared ? a.shared.cache : a.cache;
  const int64_t at =
      (sequence * a.shape.kv_heads + kv_head) * cache.capacity * static_cast<int64_t>(head_size);
  const KeyRun run{cache.k + at, cache.v + at, static_cast<uint32_t>(head_size),
                   keys.count > 0 ? cache.slot(keys.begin, slot_0) : 0, cache.capacity};
  int32_t sees_from[Q];
  int32_t sees_to[Q];
#pragma unroll
  for (int j = 0; j < Q; ++j) {
    sees_from[j] = a.visible.first(now + unit[j]) - keys.begin;
    sees_to[j] = now + unit[j] + 1 - keys.begin;
    if (sees_to[j] > keys.count) sees_to[j] = keys.count;
  }
  const auto state = attend_stream<Row, Q>(q, run, place, keys.count, sees_from, sees_to);
#pragma unroll
  for (int j = 0; j < Q; ++j) {
    if (!present[j] || !first_lanes) continue;
    const int64_t query = (static_cast<int64_t>(row) * a.units + unit[j]) * a.shape.heads + head[j];
    if (p.writes_out) {
      const float inverse = idle ? 0.0f : fast_reciprocal(state.sum[j]);
      Row::rounded(state.out[j], inverse).store(a.out + query * head_size, place);
      continue;
    }
    const int64_t index = p.states.index(query, p.first_part + part);
    if (threadIdx.x % warp_size == 0) p.states.norms[index] = {{state.most[j], state.sum[j]}};
    if (keys.count > 0) Row::store_floats(state.out[j], p.states.sums + index * head_size, place);
  }
}

}  // namespace

void launch_stream_parts(Stream& stream, const DecodeAttention& a, bool shared, const Work& work) {
  with_head_row(a.shape.head_size, [&](auto layout) {
    using Row = decltype(layout);
    const int32_t group = a.shape.heads / a.shape.kv_heads;
    const int32_t queries = a.units * group;
    const int32_t a_warp = queries == 1 ? 1 : 2;
    const int32_t tiles = (queries + a_warp - 1) / a_warp;
    const int32_t parts = shared ? a.shared_splits : a.splits;
    const int64_t warps = a.rows * a.shape.kv_heads * tiles * parts;
    constexpr int64_t most_warps = int64_t{1} << 31;
    if (warps >= most_warps) {
      throw Error("decode attention of " + std::to_string(a.rows) + " rows in " + std::to_string(parts) +
                  " parts takes " + std::to_string(warps) + " warps; fewer than 2^31 fit one launch");
    }
    const StreamKernel p{.op = a,
                         .states = partial_states(a),
                         .scale = softmax_scale(a.shape.head_size),
                         .shared = shared,
                         .writes_out = a.splits + a.shared_splits == 1,
                         .parts = parts,
                         .first_part = shared ? a.splits : 0,
                         .warps = static_cast<uint32_t>(warps),
                         .split = FastDivision(static_cast<uint32_t>(parts)),
                         .tiles = FastDivision(static_cast<uint32_t>(tiles)),
                         .heads = FastDivision(static_cast<uint32_t>(a.shape.kv_heads)),
                         .grouped = FastDivision(static_cast<uint32_t>(group))};
    constexpr unsigned warps_a_block = threads / warp_size;
    const Grid grid{dim3((p.warps + warps_a_block - 1) / warps_a_block), threads};
    stream.launch(
        {shared ? "decode_attention_shared" : "decode_attention", work}, grid,
        a_warp == 1 ? decode_attention_stream_kernel<Row, 1> : decode_attention_stream_kernel<Row, 2>, p);
  });
}

}  // namespace photon::PHOTON_GPU
