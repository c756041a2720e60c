// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "cuda_impl/kernels/prefill_attention_backward_tile.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int tile_queries = 64;

/// A block's shared memory: queries, the gradients of their results and their sums, twice, then its own keys
/// and values.
template <class Tile>
struct KeysMemory {
  static constexpr int row_bytes = Tile::Rows::row_bytes;
  static constexpr int d_out = tile_queries * row_bytes;  ///< of a buffer
  static constexpr int sums = 2 * d_out;
  static constexpr int buffer_bytes = sums + tile_queries * static_cast<int>(2 * sizeof(float));
  static constexpr int keys = 2 * buffer_bytes;

  static __device__ int values() { return keys + Tile::rows_a_block() * row_bytes; }
  static size_t bytes(int warps) {
    return static_cast<size_t>(keys + 2 * warps * Tile::own_rows * row_bytes);
  }
};

/// What a block works on: keys [first, ..) of a sequence's key head, and the queries from the same unit on.
/// It follows from the block's number, and is found anew wherever it is needed: registers are needed for
/// other things.
struct KeysPlace {
  int64_t row;  ///< of the sequence's first unit
  uint32_t sequence;
  int32_t kv_head;
  int32_t first;
  int32_t queries_end;

  /// The first tiles, which most queries see, come first.
  __device__ KeysPlace(const BackwardKernel& p, int32_t keys_a_block) {
    const uint32_t block = anew(blockIdx.x);
    const uint32_t above = p.heads.quotient(block);
    kv_head = static_cast<int32_t>(block - above * p.heads.divisor());
    sequence = p.tiles.quotient(above);
    first = static_cast<int32_t>(above - sequence * p.tiles.divisor()) * keys_a_block;
    queries_end = min(p.end(min(first + keys_a_block, p.op.units) - 1), p.op.units);
    row = static_cast<int64_t>(sequence) * p.op.units;
  }
  /// Of queries.
  __device__ int32_t tiles() const { return (queries_end - first + tile_queries - 1) / tile_queries; }
};

/// A tile of queries of one of the heads that read the block's keys: all tiles of a head, then the next head.
struct QueryTile {
  int tile = 0;
  int head = 0;  ///< of the group

  __device__ void advance(int tiles) {
    const bool over = ++tile == tiles;
    tile = over ? 0 : tile;
    head += over ? 1 : 0;
  }
};

template <class Tile>
__device__ void zero_padding(int32_t head_size) {
  using Memory = KeysMemory<Tile>;
  char* const shared = dynamic_shared<char>();
  for (int i = 0; i < 4; ++i) {
    Tile::Rows::zero_padding(shared + i / 2 * Memory::buffer_bytes + i % 2 * Memory::d_out, tile_queries,
                             head_size);
  }
  Tile::Rows::zero_padding(shared + Memory::keys, 2 * Tile::rows_a_block(), head_size);
}

template <class Tile>
__device__ void copy_keys(const BackwardKernel& p, const FlashCopy& copy) {
  using Memory = KeysMemory<Tile>;
  const PrefillAttentionBackward& a = p.op;
  const KeysPlace place(p, Tile::rows_a_block());
  char* const shared = dynamic_shared<char>();
  const int32_t packed = a.shape.packed_width();
  const bf16* const k =
      a.qkv + (place.row + place.first) * packed + a.shape.width() + place.kv_head * a.shape.head_size;
  const int there = a.units - place.first;
  Tile::Rows::copy(shared + Memory::keys, k, packed, Tile::rows_a_block(), there, copy);
  Tile::Rows::copy(shared + Memory::values(), k + a.shape.kv_width(), packed, Tile::rows_a_block(), there,
                   copy);
  copy_async_commit();
}

/// A tile of queries, of the gradients of their results and of their sums.
template <class Tile>
__device__ void copy_queries(const BackwardKernel& p, const FlashCopy& copy, const QueryTile& of,
                             int buffer) {
  using Memory = KeysMemory<Tile>;
  const PrefillAttentionBackward& a = p.op;
  const KeysPlace place(p, Tile::rows_a_block());
  char* const to = dynamic_shared<char>() + buffer * Memory::buffer_bytes;
  const int32_t head = place.kv_head * static_cast<int32_t>(p.grouped.divisor()) + of.head;
  const int32_t unit = place.first + of.tile * tile_queries;
  const int there = place.queries_end - unit;
  const int64_t row = place.row + unit;
  const int32_t column = head * a.shape.head_size;
  Tile::Rows::copy(to, a.qkv + row * a.shape.packed_width() + column, a.shape.packed_width(), tile_queries,
                   there, copy);
  Tile::Rows::copy(to + Memory::d_out, a.d_out + row * a.shape.width() + column, a.shape.width(),
                   tile_queries, there, copy);
  const float* const sums = p.sums(place.sequence, head) + 2 * unit;
  for (auto i = static_cast<int>(threadIdx.x); i < tile_queries; i += static_cast<int>(blockDim.x)) {
    copy_async<8>(to + Memory::sums + 8 * i, sums + 2 * i, i < there);
  }
  copy_async_commit();
}

/// What is to be done with a tile of queries by a warp with keys [first_key, first_key + keys) of the block.
/// One word: registers are short.
class QueryPlan {
 public:
  __device__ QueryPlan(const BackwardKernel& p, const KeysPlace& place, int first_key, int keys, int tile) {
    const int last_key = first_key + keys - 1;
    const int32_t unit = place.first + tile * tile_queries;
    const int32_t seen_to = min(p.end(place.first + last_key), place.queries_end);
    const int32_t all_see_to = p.end(place.first + first_key);
    bits_ = p.some_see_few(unit, unit + tile_queries - 1) ? few_bit : 0;
#pragma unroll
    for (int i = 0; i < tile_queries / 16; ++i) {
      const int32_t from = unit + 16 * i;
      if (from + 16 > place.first + first_key && from < seen_to) bits_ |= seen_bit << i;
      if (from < place.first + last_key || from + 16 > all_see_to) bits_ |= partly_bit << i;
    }
  }
  /// Some query of the tile sees few keys.
  __device__ bool few() const {
    return (bits_ & few_bit) != 0;
  }
  /// Some of the sixteen queries from `row` on see some key of the warp; not each of them sees all.
  __device__ bool seen(int row) const {
    return (bits_ & (seen_bit << row / 16)) != 0;
  }
  __device__ bool partly_seen(int row) const {
    return (bits_ & (partly_bit << row / 16)) != 0;
  }

 private:
  static constexpr uint32_t seen_bit = 1;
  static constexpr uint32_t partly_bit = 16;
  static constexpr uint32_t few_bit = 256;
  uint32_t bits_;
};

/// first_query: of eight, counted from the block's first key.
template <class Tile>
__device__ void hide_unseen(const BackwardKernel& p, int first_query, typename Tile::Scores& scores) {
  const KeysPlace place(p, Tile::rows_a_block());
  const auto lane = static_cast<int>(anew(threadIdx.x)) % warp_size;
#pragma unroll
  for (int m = 0; m < Tile::sixteens; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int key = Tile::first_row() + 16 * m + 8 * h + lane / 4;
      const int end = p.end(place.first + key) - place.first;
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const int query = first_query + 2 * (lane % 4) + j;
        if (query < key || query >= end) scores[m][2 * h + j] = -INFINITY;
      }
    }
  }
}

/// Makes weights of scores, and of the gradients of weights those of scores. The sums are those of the eight
/// queries.
template <class Tile>
__device__ void weigh(float scale, const char* eight_sums, typename Tile::Scores& weights,
                      typename Tile::Scores& d_weights) {
  const int column = 2 * (static_cast<int>(threadIdx.x) % warp_size % 4);
  const auto sums = load_pack<4>(reinterpret_cast<const float*>(eight_sums) + 2 * column);
#pragma unroll
  for (int m = 0; m < Tile::sixteens; ++m) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      weights[m][j] = fast_exp2(fmaf(weights[m][j], scale, -sums.v[j % 2 * 2]));
      d_weights[m][j] = weights[m][j] * (d_weights[m][j] - sums.v[j % 2 * 2 + 1]);
    }
  }
}

template <class Tile>
__device__ void store(const BackwardKernel& p, const typename Tile::Gradient& d_k,
                      const typename Tile::Gradient& d_v) {
  const PrefillAttentionBackward& a = p.op;
  const KeysPlace place(p, Tile::rows_a_block());
  const int32_t first = place.first + Tile::first_row();
  const int32_t packed = a.shape.packed_width();
  bf16* const to =
      a.d_qkv + (place.row + first) * packed + a.shape.width() + place.kv_head * a.shape.head_size;
  Tile::each_pair(a.units - first, a.shape.head_size, [&](int row, int column, int m, int d, int i) {
    const float* const x = d_k[m][d] + i;
    const float* const y = d_v[m][d] + i;
    bf16* const at = to + static_cast<int64_t>(row) * packed + column;
    store_pairs<2>(at, {{to_bf16_pair(x[0] * p.factor, x[1] * p.factor)}});
    store_pairs<2>(at + a.shape.kv_width(), {{to_bf16_pair(y[0], y[1])}});
  });
}

// A block for each (sequence, tile of keys, key's head). A warp holds 16 · M keys and values and their
// gradients in registers and goes through the queries of every head that reads them, 16 at a time: weights
// are made transposed, keys by queries, so that as they come out of one product they enter the next. While
// one tile of queries is worked on, the next is copied.
template <class Tile>
__global__ void __launch_bounds__(128, 2)
    prefill_attention_backward_keys_kernel(BackwardKernel p, FlashCopy copy) {
  using Rows = typename Tile::Rows;
  using Memory = KeysMemory<Tile>;
  char* const shared = dynamic_shared<char>();
  wait_for_previous_kernel();
  let_next_kernel_start();
  QueryTile at;
  zero_padding<Tile>(p.op.shape.head_size);
  copy_keys<Tile>(p, copy);
  copy_queries<Tile>(p, copy, at, 0);
  copy_async_wait<1>();
  __syncthreads();
  typename Tile::Own k;
  typename Tile::Own v;
  typename Tile::Gradient d_k;
  typename Tile::Gradient d_v;
  Tile::load(k, shared + Memory::keys);
  Tile::load(v, shared + Memory::values());
  Tile::clear(d_k);
  Tile::clear(d_v);

  const auto group = static_cast<int>(p.grouped.divisor());
  for (int buffer = 0; at.head < group; buffer ^= 1) {
    copy_async_wait<0>();
    __syncthreads();  // the tile is there, and nobody is at work on the one before
    QueryTile next = at;
    next.advance(KeysPlace(p, Tile::rows_a_block()).tiles());
    if (next.head < group) copy_queries<Tile>(p, copy, next, buffer ^ 1);
    const KeysPlace place(p, Tile::rows_a_block());
    const QueryPlan plan(p, place, Tile::first_row(), Tile::own_rows, at.tile);
    // Where some see few, the same sixteen come a second time, for what rounding left of their weights. A
    // loop over the two terms within this one would spill.
    int term = 0;
#pragma unroll 1
    for (int row = 0; row < tile_queries; row += term == 0 ? 16 : 0) {
      if (!plan.seen(row)) continue;
      const int in_rows = buffer * Memory::buffer_bytes + row * Rows::row_bytes;
      typename Tile::Weights w;
      typename Tile::Weights d_w;
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        typename Tile::Scores weights;
        typename Tile::Scores d_weights;
        Tile::multiply(weights, k, shared, d_weights, v, shared + Memory::d_out,
                       Rows::right_offset(0) + in_rows + 8 * n * Rows::row_bytes);
        if (plan.partly_seen(row)) hide_unseen<Tile>(p, at.tile * tile_queries + row + 8 * n, weights);
        weigh<Tile>(p.scale, shared + Memory::sums + buffer * Memory::buffer_bytes + 8 * (row + 8 * n),
                    weights, d_weights);
        if (term != 0) {
          Tile::keep_rests(weights);
          Tile::keep_rests(d_weights);
        }
        Tile::round(w, weights, n);
        Tile::round(d_w, d_weights, n);
      }
      const int by_rows = Rows::right_by_rows_offset(0) + in_rows;
#pragma unroll
      for (int d = 0; d < Tile::eights; d += 2) {
        Tile::add(d_v, w, shared + Memory::d_out, by_rows, d);
        Tile::add(d_k, d_w, shared, by_rows, d);
      }
      term = plan.few() && term == 0 ? 1 : 0;
    }
    at.advance(KeysPlace(p, Tile::rows_a_block()).tiles());
  }

  store<Tile>(p, d_k, d_v);
}

}  // namespace

void prefill_attention_backward_keys(Stream& stream, const PrefillAttentionBackward& a) {
  with_backward_tile(a.shape.head_size, [&](auto tile) {
    using Tile = decltype(tile);
    const FlashCopy copy(a.shape.head_size);
    const int32_t warps = Tile::warps(a.units, copy);
    const int32_t tiles = (a.units + warps * Tile::own_rows - 1) / (warps * Tile::own_rows);
    const BackwardKernel p = backward_kernel(a, a.shape.kv_heads, tiles);
    const Grid grid{dim3(static_cast<unsigned>(a.sequences * a.shape.kv_heads * tiles)),
                    static_cast<unsigned>(warps * warp_size), KeysMemory<Tile>::bytes(warps)};
    stream.launch({"prefill_attention_backward", backward_keys_work(a)}, grid,
                  prefill_attention_backward_keys_kernel<Tile>, p, copy);
  });
}

}  // namespace photon::PHOTON_GPU
