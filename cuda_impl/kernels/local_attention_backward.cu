// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/local_attention_backward.h"

#include <cmath>
#include <string>
#include <type_traits>

#include "core/base/error.h"
#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/head_rotation.h"
#include "cuda_impl/kernels/softmax_scale.h"

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

/// A lane's parts of a window's keys and values, in slots of shared memory that are the lane's own:
/// (window, 2, threads).
template <class Row>
struct WindowRows {
  unsigned begin = 0;  ///< in rows

  __device__ Row* row(int j, int which) const {
    return dynamic_shared<Row>() + (begin + static_cast<unsigned>(2 * j + which) * blockDim.x + threadIdx.x);
  }
  __device__ Row key(int j) const { return *row(j, 0); }
  __device__ Row value(int j) const { return *row(j, 1); }
};

/// These and what they are given, and of a query the scores and the gradients of weights. N of them, in
/// registers, where every loop over them is unrolled.
template <class Row, int N>
struct WindowKeys : WindowRows<Row> {
  static constexpr int elements = Row::elements;
  static constexpr size_t bytes_a_key = 2 * sizeof(Row);

  float d_k_[N][elements];
  float d_v_[N][elements];
  float score_[N];
  float d_weight_[N];

  __device__ explicit WindowKeys(int) {}

  /// visit(j) for j < count.
  template <class Visit>
  __device__ static void each(int count, const Visit& visit) {
#pragma unroll
    for (int j = 0; j < N; ++j) {
      if (j < count) visit(j);
    }
  }
  __device__ void set(int j, const Row& k, const Row& v) {
    *this->row(j, 0) = k;
    *this->row(j, 1) = v;
#pragma unroll
    for (int i = 0; i < elements; ++i) d_k_[j][i] = d_v_[j][i] = 0.0f;
  }
  __device__ float& score(int j) {
    return score_[j];
  }
  __device__ float& d_weight(int j) {
    return d_weight_[j];
  }
  __device__ void add(int j, const float (&q)[elements], float of_q, const float (&d_out)[elements],
                      float of_d_out) {
#pragma unroll
    for (int i = 0; i < elements; ++i) {
      d_k_[j][i] = fmaf(of_q, q[i], d_k_[j][i]);
      d_v_[j][i] = fmaf(of_d_out, d_out[i], d_v_[j][i]);
    }
  }
  __device__ void given(int j, float (&d_k)[elements], float (&d_v)[elements]) const {
#pragma unroll
    for (int i = 0; i < elements; ++i) {
      d_k[i] = d_k_[j][i];
      d_v[i] = d_v_[j][i];
    }
  }
};

/// Up to `largest_window` of them, all of it in shared memory.
template <class Row>
struct WindowKeys<Row, 0> : WindowRows<Row> {
  static constexpr int elements = Row::elements;
  static constexpr int floats = elements < 4 ? elements : 4;  ///< moved at a time
  using Some = Pack<float, floats>;
  static constexpr int somes = elements / floats;
  static constexpr size_t bytes_a_key = 2 * sizeof(Row) + (2 * elements + 2) * sizeof(float);
  static_assert(sizeof(Some) % sizeof(Row) == 0);

  int window;

  /// (window, 2 · somes, threads) of Some, the rows, (window, 2, threads) numbers.
  __device__ explicit WindowKeys(int keys) : window(keys) {
    this->begin = static_cast<unsigned>(2 * somes * window) * blockDim.x * (sizeof(Some) / sizeof(Row));
  }
  __device__ Some* sums(int j, int part) const {
    return dynamic_shared<Some>() + (static_cast<unsigned>(2 * somes * j + part) * blockDim.x + threadIdx.x);
  }
  __device__ float* number(int j, int which) const {
    return reinterpret_cast<float*>(dynamic_shared<Row>() + this->begin +
                                    static_cast<unsigned>(2 * window) * blockDim.x) +
           (static_cast<unsigned>(2 * j + which) * blockDim.x + threadIdx.x);
  }

  template <class Visit>
  __device__ static void each(int count, const Visit& visit) {
#pragma unroll 1
    for (int j = 0; j < count; ++j) visit(j);
  }
  __device__ void set(int j, const Row& k, const Row& v) {
    *this->row(j, 0) = k;
    *this->row(j, 1) = v;
#pragma unroll
    for (int part = 0; part < 2 * somes; ++part) *sums(j, part) = Some{};
  }
  __device__ float& score(int j) {
    return *number(j, 0);
  }
  __device__ float& d_weight(int j) {
    return *number(j, 1);
  }
  __device__ void add(int j, const float (&q)[elements], float of_q, const float (&d_out)[elements],
                      float of_d_out) {
#pragma unroll
    for (int part = 0; part < somes; ++part) {
      Some d_k = *sums(j, part);
      Some d_v = *sums(j, somes + part);
#pragma unroll
      for (int i = 0; i < floats; ++i) {
        d_k.v[i] = fmaf(of_q, q[floats * part + i], d_k.v[i]);
        d_v.v[i] = fmaf(of_d_out, d_out[floats * part + i], d_v.v[i]);
      }
      *sums(j, part) = d_k;
      *sums(j, somes + part) = d_v;
    }
  }
  __device__ void given(int j, float (&d_k)[elements], float (&d_v)[elements]) const {
#pragma unroll
    for (int part = 0; part < somes; ++part) {
      const Some of_k = *sums(j, part);
      const Some of_v = *sums(j, somes + part);
#pragma unroll
      for (int i = 0; i < floats; ++i) {
        d_k[floats * part + i] = of_k.v[i];
        d_v[floats * part + i] = of_v.v[i];
      }
    }
  }
};

// A group of lanes owns a (chunk, key's head): it holds all keys and values with what they are given, and
// goes through the new rows of each query head that reads them. Scores and the softmax are computed again:
// what they are made of has to be read in any case.
template <class Row, int N>
__global__ void __launch_bounds__(128, (N == 8 ? 2 : 3))
    local_attention_backward_kernel(LocalBackwardKernel p) {
  constexpr int elements = Row::elements;
  const LocalAttentionBackward& a = p.op;
  const auto owners = static_cast<uint32_t>(a.chunks) * p.kv_heads.divisor();
  const uint32_t own = (blockIdx.x * blockDim.x + threadIdx.x) / Row::group;
  const bool active = own < owners;
  const uint32_t owner = active ? own : owners - 1;
  const uint32_t chunk = p.kv_heads.quotient(owner);
  const uint32_t kv_head = owner - chunk * p.kv_heads.divisor();

  const int32_t head_size = a.shape.head_size;
  const auto width = static_cast<uint32_t>(a.shape.width());
  const auto packed = static_cast<uint32_t>(a.shape.packed_width());
  const uint32_t k_begin = width + kv_head * static_cast<uint32_t>(head_size);
  const uint32_t v_begin = k_begin + static_cast<uint32_t>(a.shape.kv_width());
  const typename Row::Place place(head_size);
  Halves<Row> halves(head_size);
  const int64_t first_row = static_cast<int64_t>(chunk) * a.rows;
  const bf16* const qkv = settled(a.qkv + first_row * packed);
  const bf16* const d_out_rows = settled(a.d_out + first_row * width);
  bf16* const d_qkv = settled(a.d_qkv + first_row * packed);
  const int64_t cache = (static_cast<int64_t>(chunk) * a.shape.kv_heads + kv_head) * (a.window * head_size);
  const int32_t keys = a.length + a.rows;

  wait_for_previous_kernel();
  let_next_kernel_start();

  WindowKeys<Row, N> window(keys);
  window.each(keys, [&](int j) {
    if (a.k != nullptr) {
      const auto offset = static_cast<uint32_t>(j * head_size);
      window.set(j, halves.load(a.k + cache, offset), Row::load(a.v + cache, offset, place));
      return;
    }
    const uint32_t row = static_cast<uint32_t>(j - a.length) * packed;
    halves.load_angles(a.rotations + j * head_size);
    float turned[elements];
    halves.turn(halves.load(qkv, row + k_begin), turned);
    window.set(j, Row::rounded(turned), Row::load(qkv, row + v_begin, place));
  });

#pragma unroll 1
  for (int32_t g = 0; g < p.group; ++g) {
    const uint32_t q_begin = (kv_head * static_cast<uint32_t>(p.group) + static_cast<uint32_t>(g)) *
                             static_cast<uint32_t>(head_size);
#pragma unroll 1
    for (int r = 0; r < a.rows; ++r) {
      const int seen = a.length + r + 1;
      const Row query = halves.load(qkv, static_cast<uint32_t>(r) * packed + q_begin);
      const Row d_row = Row::load(d_out_rows, static_cast<uint32_t>(r) * width + q_begin, place);
      halves.load_angles(a.rotations + (a.length + r) * head_size);
      float q[elements];
      float d_out[elements];
      halves.turn(query, q);
#pragma unroll
      for (int i = 0; i < elements; ++i) {
        const bool inside = place.inside[i / Row::pack_size];
        q[i] = inside ? q[i] : 0.0f;
        d_out[i] = inside ? d_row.element(i) : 0.0f;
      }
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
      float d_q[elements];
#pragma unroll
      for (float& x : d_q) x = 0.0f;
      window.each(seen, [&](int j) { window.key(j).add_to(d_q, window.score(j)); });
      halves.turn_back(d_q);
      if (active) halves.store(Row::rounded(d_q), d_qkv + static_cast<uint32_t>(r) * packed + q_begin);
    }
  }

  if (!active) return;
  window.each(keys, [&](int j) {
    float d_k[elements];
    float d_v[elements];
    window.given(j, d_k, d_v);
    if (a.d_k != nullptr) {
      const int64_t row = cache + j * head_size;
      halves.add_floats(a.d_k + row, d_k);
      Row::add_floats(a.d_v + row, d_v, place);
      if (j < a.length) {
        halves.store_floats(d_k, a.d_k + row);
        Row::store_floats(d_v, a.d_v + row, place);
        return;
      }
    }
    bf16* const to = d_qkv + static_cast<uint32_t>(j - a.length) * packed;
    halves.load_angles(a.rotations + j * head_size);
    halves.turn_back(d_k);
    halves.store(Row::rounded(d_k), to + k_begin);
    Row::rounded(d_v).store(to + v_begin, place);
  });
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
