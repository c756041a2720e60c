// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/local_attention.h"

#include <cmath>
#include <string>

#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/head_rotation.h"
#include "cuda_impl/kernels/softmax_scale.h"

namespace photon::PHOTON_GPU {
namespace {

/// Keys in registers at a time; 4 are all that the last row of a window of R = 2, C = 4 finds in the cache.
template <class Row>
constexpr int keys_a_tile = Row::elements <= 8 ? 4 : 2;

/// Blocks that a multiprocessor is to hold.
template <class Row, bool single>
constexpr int blocks_at_once = Row::elements > 8          ? 3
                               : single&& Row::packs <= 2 ? 5
                                                          : 4;

struct LocalKernel {
  LocalAttention op;
  float scale;  ///< of scores, in powers of two
  FastDivision heads;
  FastDivision grouped;  ///< query heads of a key's head
};

// A group of lanes owns a (chunk, query head), goes through its new rows in order and needs nobody else. The
// softmax of a row starts with its own key. Keys of earlier launches come from the cache, those of a tile all
// at once and before anything is computed; keys of earlier rows of this launch are turned by every group that
// needs them and kept in the lane's own slots of shared memory. The first query head of a key's head writes
// the cache, rows that no group of this launch reads there.
template <class Row, bool single>
__global__ void __launch_bounds__(128, (blocks_at_once<Row, single>)) local_attention_kernel(LocalKernel p) {
  constexpr int tile = keys_a_tile<Row>;
  const LocalAttention& a = p.op;
  const auto pairs = static_cast<uint32_t>(a.chunks) * p.heads.divisor();
  const uint32_t own = (blockIdx.x * blockDim.x + threadIdx.x) / Row::group;
  const bool active = own < pairs;
  const uint32_t pair = active ? own : pairs - 1;
  const uint32_t chunk = p.heads.quotient(pair);
  const uint32_t head = pair - chunk * p.heads.divisor();
  const uint32_t kv_head = p.grouped.quotient(head);
  const bool writes = active && a.k != nullptr && kv_head * p.grouped.divisor() == head;

  const int32_t head_size = a.shape.head_size;
  const int32_t rows = single ? 1 : a.rows;
  const auto packed = static_cast<uint32_t>(a.shape.packed_width());
  const uint32_t q_begin = head * static_cast<uint32_t>(head_size);
  const uint32_t k_begin =
      static_cast<uint32_t>(a.shape.width()) + kv_head * static_cast<uint32_t>(head_size);
  const uint32_t v_begin = k_begin + static_cast<uint32_t>(a.shape.kv_width());
  const typename Row::Place place(head_size);
  Halves<Row> halves(head_size);
  const bf16* const qkv = settled(a.qkv + chunk * (static_cast<int64_t>(rows) * packed));
  const int64_t cache = (static_cast<int64_t>(chunk) * a.shape.kv_heads + kv_head) * (a.window * head_size);
  bf16* const cached_k = settled(a.k + cache);
  bf16* const cached_v = settled(a.v + cache);
  bf16* out_rows = a.out + chunk * (static_cast<int64_t>(rows) * a.shape.width()) + q_begin;
  float scale[Row::packs];
#pragma unroll
  for (int n = 0; n < Row::packs; ++n) scale[n] = place.inside[n] ? p.scale : 0.0f;

  wait_for_previous_kernel();
  let_next_kernel_start();

  Row keys[tile];
  Row values[tile];
  const auto load_cached = [&](int first) {
#pragma unroll
    for (int i = 0; i < tile; ++i) {
      if (first + i < a.length) {
        const auto offset = static_cast<uint32_t>((first + i) * head_size);
        keys[i] = halves.load(cached_k, offset);
        values[i] = Row::load(cached_v, offset, place);
      }
    }
  };
  int loaded = 0;
  load_cached(0);

#pragma unroll 1
  for (int r = 0; r < rows; ++r) {
    const int position = a.length + r;
    const uint32_t new_row = static_cast<uint32_t>(r) * packed;
    const Row new_key = halves.load(qkv, new_row + k_begin);
    const Row query = halves.load(qkv, new_row + q_begin);
    const Row value = Row::load(qkv, new_row + v_begin, place);
    halves.load_angles(a.rotations + position * head_size);
    float turned[Row::elements];
    halves.turn(new_key, turned);
    const Row key = Row::rounded(turned);
    float q[Row::elements];
    halves.turn(query, q);
#pragma unroll
    for (int i = 0; i < Row::elements; ++i) q[i] *= scale[i / Row::pack_size];
    if (writes) {
      halves.store(key, cached_k + position * head_size);
      value.store(cached_v + position * head_size, place);
    }

    float most = group_sum<Row::group>(key.dot(q));
    float sum = 1.0f;
    float out[Row::elements];
    value.to_floats(out);
#pragma unroll 1
    for (int first = 0; first < position; first += tile) {
      if (first != loaded) load_cached(first);
      loaded = first;
      if constexpr (!single) {
        // (rows, 2, threads)
        const Row* fresh = dynamic_shared<Row>() + threadIdx.x;
#pragma unroll
        for (int i = 0; i < tile; ++i) {
          const int j = first + i - a.length;
          if (j >= 0 && j < r) {
            keys[i] = fresh[static_cast<unsigned>(2 * j) * blockDim.x];
            values[i] = fresh[static_cast<unsigned>(2 * j + 1) * blockDim.x];
          }
        }
      }
      float weights[tile] = {};  // g++ does not see that both loops leave the same ones out
      float tile_most = most;
#pragma unroll
      for (int i = 0; i < tile; ++i) {
        if (first + i < position) {
          weights[i] = group_sum<Row::group>(keys[i].dot(q));
          tile_most = fmaxf(tile_most, weights[i]);
        }
      }
      const float keep = fast_exp2(most - tile_most);
      most = tile_most;
      sum *= keep;
#pragma unroll
      for (float& x : out) x *= keep;
#pragma unroll
      for (int i = 0; i < tile; ++i) {
        if (first + i < position) {
          const float weight = fast_exp2(weights[i] - most);
          sum += weight;
          values[i].add_to(out, weight);
        }
      }
    }
    if (active) Row::rounded(out, fast_reciprocal(sum)).store(out_rows + r * a.shape.width(), place);
    if constexpr (!single) {
      Row* fresh = dynamic_shared<Row>() + threadIdx.x;
      fresh[static_cast<unsigned>(2 * r) * blockDim.x] = key;
      fresh[static_cast<unsigned>(2 * r + 1) * blockDim.x] = value;
    }
  }
}

}  // namespace

Work local_attention_work(const LocalAttention& a) {
  const StackShape shape{.width = a.shape.width(), .heads = a.shape.heads, .kv_heads = a.shape.kv_heads};
  const auto chunks = static_cast<double>(a.chunks);
  double pairs = 0.0;
  for (int32_t r = 0; r < a.rows; ++r) pairs += static_cast<double>(a.length + r + 1);
  Work work = attention_work(shape, chunks * pairs, 0.0, 0.0, sizeof(bf16));
  const double cached = a.length + (a.k == nullptr ? 0 : a.rows);
  work.other_bytes = chunks * sizeof(bf16) *
                     (static_cast<double>(a.rows) * (a.shape.packed_width() + a.shape.width()) +
                      2.0 * a.shape.kv_width() * cached);
  return work;
}

void local_attention(Stream& stream, const LocalAttention& a) {
  if (a.chunks == 0 || a.rows == 0) return;
  if (a.length + a.rows > a.window || (a.length > 0 && a.k == nullptr)) {
    throw Error("local attention of rows " + std::to_string(a.length) + " to " +
                std::to_string(a.length + a.rows - 1) + " in a window of " + std::to_string(a.window) +
                (a.k == nullptr ? " without a cache" : ""));
  }
  with_head_row(a.shape.head_size, [&](auto layout) {
    using Row = decltype(layout);
    constexpr int64_t most_lanes = int64_t{1} << 31;
    const int64_t lanes = a.chunks * a.shape.heads * Row::group;
    if (lanes > most_lanes) {
      throw Error("local attention of " + std::to_string(a.chunks) + " chunks with " +
                  std::to_string(a.shape.heads) + " heads in one launch; at most " +
                  std::to_string(most_lanes / Row::group / a.shape.heads) + " chunks");
    }
    const size_t bytes_a_thread = a.rows == 1 ? 0 : 2 * sizeof(Row) * static_cast<size_t>(a.rows);
    Grid grid;
    grid.threads = bytes_a_thread <= 256 ? 128 : warp_size;
    grid.shared_bytes = bytes_a_thread * grid.threads;
    grid.blocks = dim3(static_cast<unsigned>((lanes + grid.threads - 1) / grid.threads));
    const LocalKernel p{a, softmax_scale(a.shape.head_size),
                        FastDivision(static_cast<uint32_t>(a.shape.heads)),
                        FastDivision(static_cast<uint32_t>(a.shape.heads / a.shape.kv_heads))};
    stream.launch({"local_attention", local_attention_work(a)}, grid,
                  a.rows == 1 ? local_attention_kernel<Row, true> : local_attention_kernel<Row, false>, p);
  });
}

}  // namespace photon::PHOTON_GPU
