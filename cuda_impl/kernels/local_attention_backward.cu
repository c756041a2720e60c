// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/local_attention_backward.h"

#include <cmath>
#include <string>
#include <type_traits>

#include "core/base/error.h"
#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/head_rotation.h"
#include "cuda_impl/kernels/softmax_scale.h"
#include "cuda_impl/kernels/window_keys.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int32_t largest_window = 64;

struct LocalBackwardKernel {
  LocalAttentionBackward op;
  float scale;   ///< of scores, in powers of two
  float factor;  ///< of scores
  int32_t group;
  FastDivision kv_heads;
};

/// Where a group of lanes finds what it works on: the rows of a chunk, and one head of their keys.
template <class Row>
struct LocalPlace {
  bool active;  ///< lanes beyond the last group repeat it, and write nothing
  uint32_t kv_head;
  uint32_t width;
  uint32_t packed;
  uint32_t k_begin;  ///< in a packed row
  uint32_t v_begin;
  typename Row::Place of_lane;
  const bf16* qkv;
  const bf16* d_out;
  bf16* d_qkv;
  int64_t cache;  ///< where the window's rows begin in each of the caches

  __device__ explicit LocalPlace(const LocalBackwardKernel& p) : of_lane(p.op.shape.head_size) {
    const LocalAttentionBackward& a = p.op;
    const auto owners = static_cast<uint32_t>(a.chunks) * p.kv_heads.divisor();
    const uint32_t own = (blockIdx.x * blockDim.x + threadIdx.x) / Row::group;
    active = own < owners;
    const uint32_t owner = active ? own : owners - 1;
    const uint32_t chunk = p.kv_heads.quotient(owner);
    kv_head = owner - chunk * p.kv_heads.divisor();
    width = static_cast<uint32_t>(a.shape.width());
    packed = static_cast<uint32_t>(a.shape.packed_width());
    k_begin = width + kv_head * static_cast<uint32_t>(a.shape.head_size);
    v_begin = k_begin + static_cast<uint32_t>(a.shape.kv_width());
    const int64_t first_row = static_cast<int64_t>(chunk) * a.rows;
    qkv = settled(a.qkv + first_row * packed);
    d_out = settled(a.d_out + first_row * width);
    d_qkv = settled(a.d_qkv + first_row * packed);
    cache = (static_cast<int64_t>(chunk) * a.shape.kv_heads + kv_head) * (a.window * a.shape.head_size);
  }
};

/// From the cache, where there is one; else all rows are new, and their keys not rotated yet.
template <class Row, int N>
__device__ void load(const LocalAttentionBackward& a, const LocalPlace<Row>& at, Halves<Row>& halves,
                     WindowKeys<Row, N>& window) {
  const int32_t head_size = a.shape.head_size;
  window.each(a.length + a.rows, [&](int j) {
    if (a.k != nullptr) {
      const auto offset = static_cast<uint32_t>(j * head_size);
      window.set(j, halves.load(a.k + at.cache, offset), Row::load(a.v + at.cache, offset, at.of_lane));
      return;
    }
    const uint32_t row = static_cast<uint32_t>(j - a.length) * at.packed;
    halves.load_angles(a.rotations + j * head_size);
    float turned[Row::elements];
    halves.turn(halves.load(at.qkv, row + at.k_begin), turned);
    window.set(j, Row::rounded(turned), Row::load(at.qkv, row + at.v_begin, at.of_lane));
  });
}

/// The query of row r whose head begins at element `begin`, rotated, and the gradient of its result: zeros
/// beyond the head. Leaves the row's angles in `halves`.
template <class Row>
__device__ inline void load_query(const LocalAttentionBackward& a, const LocalPlace<Row>& at,
                                  Halves<Row>& halves, int r, uint32_t begin, float (&q)[Row::elements],
                                  float (&d_out)[Row::elements]) {
  const Row query = halves.load(at.qkv, static_cast<uint32_t>(r) * at.packed + begin);
  const Row d_row = Row::load(at.d_out, static_cast<uint32_t>(r) * at.width + begin, at.of_lane);
  halves.load_angles(a.rotations + (a.length + r) * a.shape.head_size);
  halves.turn(query, q);
#pragma unroll
  for (int i = 0; i < Row::elements; ++i) {
    const bool inside = at.of_lane.inside[i / Row::pack_size];
    q[i] = inside ? q[i] : 0.0f;
    d_out[i] = inside ? d_row.element(i) : 0.0f;
  }
}

/// Takes a query back that sees `seen` keys: gives them, and the values, what comes to them, and leaves the
/// gradients of its scores in the window.
template <class Row, int N>
__device__ void take_back(const LocalBackwardKernel& p, WindowKeys<Row, N>& window, int seen,
                          const float (&q)[Row::elements], const float (&d_out)[Row::elements]) {
  float most = -INFINITY;
  window.each(seen, [&](int j) {
    const float score = p.scale * group_sum<Row::group>(window.key(j).dot(q));
    window.score(j) = score;
    most = fmaxf(most, score);
    window.d_weight(j) = group_sum<Row::group>(window.value(j).dot(d_out));
  });
  float sum = 0.0f;
  float mean = 0.0f;
  window.each(seen, [&](int j) {
    const float weight = fast_exp2(window.score(j) - most);
    window.score(j) = weight;
    sum += weight;
    mean = fmaf(weight, window.d_weight(j), mean);
  });
  const float inverse = fast_reciprocal(sum);
  mean *= inverse;
  window.each(seen, [&](int j) {
    const float weight = window.score(j) * inverse;
    window.score(j) = weight * (window.d_weight(j) - mean) * p.factor;
    window.add(j, q, window.score(j), d_out, weight);
  });
}

/// What the window has been given. Rows of this launch are done with, once what later parts gave is added;
/// those before them wait for what earlier parts will give.
template <class Row, int N>
__device__ void store(const LocalAttentionBackward& a, const LocalPlace<Row>& at, Halves<Row>& halves,
                      const WindowKeys<Row, N>& window) {
  window.each(a.length + a.rows, [&](int j) {
    float d_k[Row::elements];
    float d_v[Row::elements];
    window.given(j, d_k, d_v);
    if (a.d_k != nullptr) {
      const int64_t row = at.cache + j * a.shape.head_size;
      halves.add_floats(a.d_k + row, d_k);
      Row::add_floats(a.d_v + row, d_v, at.of_lane);
      if (j < a.length) {
        halves.store_floats(d_k, a.d_k + row);
        Row::store_floats(d_v, a.d_v + row, at.of_lane);
        return;
      }
    }
    bf16* const to = at.d_qkv + static_cast<uint32_t>(j - a.length) * at.packed;
    halves.load_angles(a.rotations + j * a.shape.head_size);
    halves.turn_back(d_k);
    halves.store(Row::rounded(d_k), to + at.k_begin);
    Row::rounded(d_v).store(to + at.v_begin, at.of_lane);
  });
}

// A group of lanes owns a (chunk, key's head): it holds all keys and values with what they are given, and
// goes through the new rows of each query head that reads them. Scores and the softmax are computed again:
// what they are made of has to be read in any case.
template <class Row, int N>
__global__ void __launch_bounds__(128, (N == 8 ? 2 : 3))
    local_attention_backward_kernel(LocalBackwardKernel p) {
  const LocalAttentionBackward& a = p.op;
  const LocalPlace<Row> at(p);
  Halves<Row> halves(a.shape.head_size);
  wait_for_previous_kernel();
  let_next_kernel_start();
  WindowKeys<Row, N> window(a.length + a.rows);
  load(a, at, halves, window);
#pragma unroll 1
  for (int32_t g = 0; g < p.group; ++g) {
    const uint32_t q_begin = (at.kv_head * static_cast<uint32_t>(p.group) + static_cast<uint32_t>(g)) *
                             static_cast<uint32_t>(a.shape.head_size);
#pragma unroll 1
    for (int r = 0; r < a.rows; ++r) {
      const int seen = a.length + r + 1;
      float q[Row::elements];
      float d_out[Row::elements];
      load_query(a, at, halves, r, q_begin, q, d_out);
      take_back(p, window, seen, q, d_out);
      float d_q[Row::elements] = {};
      window.each(seen, [&](int j) { window.key(j).add_to(d_q, window.score(j)); });
      halves.turn_back(d_q);
      if (at.active) {
        halves.store(Row::rounded(d_q), at.d_qkv + static_cast<uint32_t>(r) * at.packed + q_begin);
      }
    }
  }
  if (at.active) store(a, at, halves, window);
}

/// call(HeadRow<..>{}) with at most eight elements a lane: of these, a window takes many.
template <class Call>
void with_narrow_row(int head_size, Call call) {
  with_head_row(head_size, [&](auto layout) {
    using Row = decltype(layout);
    if constexpr (Row::elements > 8) {
      call(HeadRow<Row::pack_size, Row::packs / 2, Row::group * 2>{});
    } else {
      call(layout);
    }
  });
}

template <class Row, int N>
void launch(Stream& stream, const LocalAttentionBackward& a) {
  const int64_t lanes = a.chunks * a.shape.kv_heads * Row::group;
  constexpr int64_t most_lanes = int64_t{1} << 31;
  if (lanes > most_lanes) {
    throw Error("the backward pass of local attention of " + std::to_string(a.chunks) + " chunks with " +
                std::to_string(a.shape.kv_heads) + " heads of keys in one launch; at most " +
                std::to_string(most_lanes / Row::group / a.shape.kv_heads) + " chunks");
  }
  Grid grid;
  const size_t bytes_a_thread =
      WindowKeys<Row, N>::bytes_a_key * static_cast<size_t>(N == 0 ? a.length + a.rows : N);
  grid.threads = bytes_a_thread <= 512 ? 128 : warp_size;
  grid.shared_bytes = bytes_a_thread * grid.threads;
  grid.blocks = dim3(static_cast<unsigned>((lanes + grid.threads - 1) / grid.threads));
  const LocalBackwardKernel p{a, softmax_scale(a.shape.head_size),
                              static_cast<float>(1.0 / std::sqrt(static_cast<double>(a.shape.head_size))),
                              a.shape.heads / a.shape.kv_heads,
                              FastDivision(static_cast<uint32_t>(a.shape.kv_heads))};
  stream.launch({"local_attention_backward", local_attention_backward_work(a)}, grid,
                local_attention_backward_kernel<Row, N>, p);
}

}  // namespace

Work local_attention_backward_work(const LocalAttentionBackward& a) {
  const StackShape shape{.width = a.shape.width(), .heads = a.shape.heads, .kv_heads = a.shape.kv_heads};
  const auto chunks = static_cast<double>(a.chunks);
  double pairs = 0.0;
  for (int32_t r = 0; r < a.rows; ++r) pairs += static_cast<double>(a.length + r + 1);
  Work work = attention_work(shape, chunks * pairs, 0.0, 0.0, sizeof(bf16));
  work.flops *= 2.0;
  const double sums = a.d_k == nullptr ? 0.0 : 2.0 * a.length + a.rows;  // rows read or written
  work.other_bytes =
      chunks * (sizeof(bf16) * (static_cast<double>(a.rows) * (2 * a.shape.packed_width() + a.shape.width()) +
                                2.0 * a.shape.kv_width() * (a.k == nullptr ? 0 : a.length)) +
                sizeof(float) * 2.0 * a.shape.kv_width() * sums);
  return work;
}

void local_attention_backward(Stream& stream, const LocalAttentionBackward& a) {
  if (a.chunks == 0 || a.rows == 0) return;
  const std::string what = "the backward pass of local attention of rows " + std::to_string(a.length) +
                           " to " + std::to_string(a.length + a.rows - 1) + " in a window of " +
                           std::to_string(a.window);
  if (a.length + a.rows > a.window) throw Error(what);
  const bool part = a.k != nullptr || a.v != nullptr || a.d_k != nullptr || a.d_v != nullptr || a.length > 0;
  if (part && (a.k == nullptr || a.v == nullptr || a.d_k == nullptr || a.d_v == nullptr)) {
    throw Error(what + ": a part of a window needs its cache and the sums of what that was given, both");
  }
  if (a.length + a.rows > largest_window) {
    throw Error(what + "; up to " + std::to_string(largest_window) + " rows are supported");
  }
  with_narrow_row(a.shape.head_size, [&](auto layout) {
    using Row = decltype(layout);
    // The paper's windows have five rows, or four to seven, of heads below 64.
    if constexpr (Row::group * Row::elements <= 128) {
      if (a.length + a.rows <= 5) return launch<Row, 5>(stream, a);
      if (a.length + a.rows <= 8) return launch<Row, 8>(stream, a);
    }
    launch<Row, 0>(stream, a);
  });
}

}  // namespace photon::PHOTON_GPU
