// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "cuda_impl/kernels/prefill_attention_backward_tile.h"

namespace photon::PHOTON_GPU {
namespace {

/// A block's shared memory: keys and values, twice, then its own queries and the gradients of their results.
template <class Tile>
struct QueriesMemory {
  static constexpr int row_bytes = Tile::Rows::row_bytes;
  static constexpr int values = flash_keys * row_bytes;  ///< of a buffer
  static constexpr int buffer_bytes = 2 * values;
  static constexpr int queries = 2 * buffer_bytes;

  static __device__ int d_out() { return queries + Tile::rows_a_block() * row_bytes; }
  static size_t bytes(int warps) {
    return static_cast<size_t>(queries + 2 * warps * Tile::own_rows * row_bytes);
  }
};

/// What a block works on: queries [first, ..) of a sequence's head, and keys from first_key on.
struct QueriesPlace {
  int64_t row;  ///< of the sequence's first unit
  uint32_t sequence;
  int32_t head;
  int32_t first;
  int32_t first_key;
  int32_t keys;

  /// The last tiles, which see the most keys, come first.
  __device__ QueriesPlace(const BackwardKernel& p, int32_t queries_a_block) {
    const uint32_t block = anew(blockIdx.x);
    const uint32_t above = p.heads.quotient(block);
    head = static_cast<int32_t>(block - above * p.heads.divisor());
    sequence = p.tiles.quotient(above);
    const uint32_t tile = p.tiles.divisor() - 1 - (above - sequence * p.tiles.divisor());
    first = static_cast<int32_t>(tile) * queries_a_block;
    first_key = p.first(first);
    keys = min(first + queries_a_block, p.op.units) - first_key;
    row = static_cast<int64_t>(sequence) * p.op.units;
  }
  __device__ int32_t tiles() const { return (keys + flash_keys - 1) / flash_keys; }
};

template <class Tile>
__device__ void copy_queries(const BackwardKernel& p, const FlashCopy& copy) {
  const PrefillAttentionBackward& a = p.op;
  const QueriesPlace place(p, Tile::rows_a_block());
  char* const shared = dynamic_shared<char>();
  const int64_t row = place.row + place.first;
  const int32_t column = place.head * a.shape.head_size;
  const int there = a.units - place.first;
  Tile::Rows::copy(shared + QueriesMemory<Tile>::queries, a.qkv + row * a.shape.packed_width() + column,
                   a.shape.packed_width(), Tile::rows_a_block(), there, copy);
  Tile::Rows::copy(shared + QueriesMemory<Tile>::d_out(), a.d_out + row * a.shape.width() + column,
                   a.shape.width(), Tile::rows_a_block(), there, copy);
  copy_async_commit();
}

/// The t-th tile of keys and values, to buffer t % 2.
template <class Tile>
__device__ void copy_keys(const BackwardKernel& p, const FlashCopy& copy, int t) {
  using Memory = QueriesMemory<Tile>;
  const PrefillAttentionBackward& a = p.op;
  const QueriesPlace place(p, Tile::rows_a_block());
  char* const to = dynamic_shared<char>() + t % 2 * Memory::buffer_bytes;
  const int32_t packed = a.shape.packed_width();
  const auto kv_head = static_cast<int32_t>(p.grouped.quotient(static_cast<uint32_t>(place.head)));
  const bf16* const k = a.qkv + (place.row + place.first_key + t * flash_keys) * packed + a.shape.width() +
                        kv_head * a.shape.head_size;
  const int there = place.keys - t * flash_keys;
  Tile::Rows::copy(to, k, packed, flash_keys, there, copy);
  Tile::Rows::copy(to + Memory::values, k + a.shape.kv_width(), packed, flash_keys, there, copy);
  copy_async_commit();
}

/// What a lane has to know of its queries (BackwardKernel::sums).
template <class Tile>
struct QuerySums {
  float log_sum[Tile::sixteens][2];  ///< of weights, base 2
  float mean[Tile::sixteens][2];     ///< of the weights' gradients

  __device__ explicit QuerySums(const BackwardKernel& p) {
    const QueriesPlace place(p, Tile::rows_a_block());
    const float* const sums = p.sums(place.sequence, place.head);
#pragma unroll
    for (int m = 0; m < Tile::sixteens; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int row = 16 * m + 8 * h + static_cast<int>(threadIdx.x) % warp_size / 4;
        const int32_t unit = min(place.first + Tile::first_row() + row, p.op.units - 1);
        const auto of_query = load_pack<2>(sums + 2 * static_cast<int64_t>(unit));
        log_sum[m][h] = of_query.v[0];
        mean[m][h] = of_query.v[1];
      }
    }
  }

  /// Makes weights of scores, and of the gradients of weights those of scores.
  __device__ void weigh(float scale, typename Tile::Scores& scores, typename Tile::Scores& d_weights) const {
#pragma unroll
    for (int m = 0; m < Tile::sixteens; ++m) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float weight = fast_exp2(fmaf(scores[m][j], scale, -log_sum[m][j / 2]));
        d_weights[m][j] = weight * (d_weights[m][j] - mean[m][j / 2]);
      }
    }
  }
};

/// Keys of a tile that some query of the warp sees, [begin, end), and those that all of them see.
struct KeyRange {
  int begin;
  int end;
  int all_see_from;
  int all_see_to;
  bool few;  ///< some query sees few keys

  __device__ KeyRange(const BackwardKernel& p, int32_t first, int32_t queries, int32_t first_key) {
    const int32_t last = min(first + queries, p.op.units) - 1;
    begin = max(p.first(first) - first_key, 0) & ~15;
    end = first < p.op.units ? min(last + 1 - first_key, flash_keys) : 0;
    all_see_from = p.first(last) - first_key;
    all_see_to = first + 1 - first_key;
    few = p.some_see_few(first, last);
  }
  __device__ bool partly_seen(int row) const { return row < all_see_from || row + 16 > all_see_to; }
};

/// first_query: of the warp; first_key: of eight.
template <class Tile>
__device__ void hide_unseen(const BackwardKernel& p, int32_t first_query, int32_t first_key,
                            typename Tile::Scores& scores) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
  for (int m = 0; m < Tile::sixteens; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int32_t unit = first_query + 16 * m + 8 * h + lane / 4;
      const int32_t begin = p.first(unit);
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const int32_t key = first_key + 2 * (lane % 4) + j;
        if (key < begin || key > unit) scores[m][2 * h + j] = -INFINITY;
      }
    }
  }
}

template <class Tile>
__device__ void store(const BackwardKernel& p, const typename Tile::Gradient& d_q) {
  const PrefillAttentionBackward& a = p.op;
  const QueriesPlace place(p, Tile::rows_a_block());
  const int32_t first = place.first + Tile::first_row();
  const int32_t packed = a.shape.packed_width();
  bf16* const to = a.d_qkv + (place.row + first) * packed + place.head * a.shape.head_size;
  Tile::each_pair(a.units - first, a.shape.head_size, [&](int row, int column, int m, int d, int i) {
    const float* const x = d_q[m][d] + i;
    store_pairs<2>(to + static_cast<int64_t>(row) * packed + column,
                   {{to_bf16_pair(x[0] * p.factor, x[1] * p.factor)}});
  });
}

// A block for each (sequence, tile of queries, head). A warp holds 16 · M queries, the gradients of their
// results and their own in registers and goes through the keys that they see, 16 at a time. While one tile of
// keys is worked on, the next is copied.
template <class Tile>
__global__ void __launch_bounds__(128, 2)
    prefill_attention_backward_queries_kernel(BackwardKernel p, FlashCopy copy) {
  using Rows = typename Tile::Rows;
  using Memory = QueriesMemory<Tile>;
  char* const shared = dynamic_shared<char>();
  wait_for_previous_kernel();
  let_next_kernel_start();
  Rows::zero_padding(shared, 4 * flash_keys + 2 * Tile::rows_a_block(), p.op.shape.head_size);
  copy_queries<Tile>(p, copy);
  copy_keys<Tile>(p, copy, 0);
  const QuerySums<Tile> sums(p);
  copy_async_wait<1>();
  __syncthreads();
  typename Tile::Own q;
  typename Tile::Own d_out;
  typename Tile::Gradient d_q;
  Tile::load(q, shared + Memory::queries);
  Tile::load(d_out, shared + Memory::d_out());
  Tile::clear(d_q);

  int t = 0;
  for (bool more = true; more;) {
    copy_async_wait<0>();
    __syncthreads();  // the tile is there, and nobody is at work on the one before
    const QueriesPlace place(p, Tile::rows_a_block());
    const int in_buffer = t % 2 * Memory::buffer_bytes;
    const int32_t first_key = place.first_key + t * flash_keys;
    ++t;
    more = t < place.tiles();
    if (more) copy_keys<Tile>(p, copy, t);
    const int32_t first_query = place.first + Tile::first_row();
    const KeyRange range(p, first_query, Tile::own_rows, first_key);
    // Where some see few, the same sixteen come a second time, for what rounding left of their weights.
    int term = 0;
#pragma unroll 1
    for (int row = range.begin; row < range.end; row += term == 0 ? 16 : 0) {
      const int in_rows = in_buffer + row * Rows::row_bytes;
      typename Tile::Weights d_w;
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        typename Tile::Scores scores;
        typename Tile::Scores d_weights;
        Tile::multiply(scores, q, shared, d_weights, d_out, shared + Memory::values,
                       Rows::right_offset(0) + in_rows + 8 * n * Rows::row_bytes);
        if (range.partly_seen(row)) {
          hide_unseen<Tile>(p, first_query, first_key + row + 8 * n, scores);
        }
        sums.weigh(p.scale, scores, d_weights);
        if (term != 0) Tile::keep_rests(d_weights);
        Tile::round(d_w, d_weights, n);
      }
      const int by_rows = Rows::right_by_rows_offset(0) + in_rows;
#pragma unroll
      for (int d = 0; d < Tile::eights; d += 2) Tile::add(d_q, d_w, shared, by_rows, d);
      term = range.few && term == 0 ? 1 : 0;
    }
  }

  store<Tile>(p, d_q);
}

}  // namespace

void prefill_attention_backward_queries(Stream& stream, const PrefillAttentionBackward& a) {
  with_backward_tile(a.shape.head_size, [&](auto tile) {
    using Tile = decltype(tile);
    const FlashCopy copy(a.shape.head_size);
    const int32_t warps = Tile::warps(a.units, copy);
    const int32_t tiles = (a.units + warps * Tile::own_rows - 1) / (warps * Tile::own_rows);
    const BackwardKernel p = backward_kernel(a, a.shape.heads, tiles);
    const Grid grid{dim3(static_cast<unsigned>(a.sequences * a.shape.heads * tiles)),
                    static_cast<unsigned>(warps * warp_size), QueriesMemory<Tile>::bytes(warps)};
    stream.launch({"prefill_attention_backward", backward_queries_work(a)}, grid,
                  prefill_attention_backward_queries_kernel<Tile>, p, copy);
  });
}

}  // namespace photon::PHOTON_GPU
