// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/head_row.h"
#include "cuda_impl/kernels/prefill_attention_backward_parts.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 128;
constexpr int32_t warps = threads / warp_size;

/// The weight of a pair and the gradient of its score, before 1 / sqrt(head size).
struct Pair {
  float weight;
  float d_score;
};

template <class Row>
__device__ Pair pair_of(const BackwardKernel& p, const Row& key, const float (&q)[Row::elements],
                        const Row& value, const float (&d_out)[Row::elements], const float* sums) {
  const auto of_query = load_pack<2>(sums);
  const float score = group_sum<Row::group>(key.dot(q));
  const float weight = fast_exp2(fmaf(score, p.scale, -of_query.v[0]));
  return {weight, weight * (group_sum<Row::group>(value.dot(d_out)) - of_query.v[1])};
}

/// A row with zeros for what is not the head's.
template <class Row>
__device__ void load_inside(const bf16* from, const typename Row::Place& place, float (&x)[Row::elements]) {
  Row::load(from, 0, place).to_floats(x);
#pragma unroll
  for (int i = 0; i < Row::elements; ++i) x[i] = place.inside[i / Row::pack_size] ? x[i] : 0.0f;
}

/// A warp a key.
template <class Row>
__global__ void __launch_bounds__(threads) wide_backward_keys_kernel(BackwardKernel p) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const PrefillAttentionBackward& a = p.op;
  const uint32_t above = p.heads.quotient(blockIdx.x);
  const auto kv_head = static_cast<int32_t>(blockIdx.x - above * p.heads.divisor());
  const uint32_t sequence = p.tiles.quotient(above);
  const auto tile = static_cast<int32_t>(above - sequence * p.tiles.divisor());
  const int32_t key = tile * warps + static_cast<int32_t>(threadIdx.x) / warp_size;
  if (key >= a.units) return;
  const int32_t packed = a.shape.packed_width();
  const int32_t group = static_cast<int32_t>(p.grouped.divisor());
  const int64_t row = static_cast<int64_t>(sequence) * a.units;
  const typename Row::Place place(a.shape.head_size);
  const int64_t own = (row + key) * packed + a.shape.width() + kv_head * a.shape.head_size;
  const Row k = Row::load(a.qkv + own, 0, place);
  const Row v = Row::load(a.qkv + own + a.shape.kv_width(), 0, place);
  float d_k[Row::elements];
  float d_v[Row::elements];
#pragma unroll
  for (int i = 0; i < Row::elements; ++i) d_k[i] = d_v[i] = 0.0f;
  const int32_t end = min(p.end(key), a.units);
  for (int32_t g = 0; g < group; ++g) {
    const int32_t head = kv_head * group + g;
    for (int32_t unit = key; unit < end; ++unit) {
      float q[Row::elements];
      float d_out[Row::elements];
      load_inside<Row>(a.qkv + (row + unit) * packed + head * a.shape.head_size, place, q);
      load_inside<Row>(a.d_out + (row + unit) * a.shape.width() + head * a.shape.head_size, place, d_out);
      const Pair pair = pair_of(p, k, q, v, d_out, p.sums(sequence, head) + 2 * unit);
#pragma unroll
      for (int i = 0; i < Row::elements; ++i) {
        d_k[i] = fmaf(pair.d_score, q[i], d_k[i]);
        d_v[i] = fmaf(pair.weight, d_out[i], d_v[i]);
      }
    }
  }
  Row::rounded(d_k, p.factor).store(a.d_qkv + own, place);
  Row::rounded(d_v).store(a.d_qkv + own + a.shape.kv_width(), place);
}

/// A warp a query.
template <class Row>
__global__ void __launch_bounds__(threads) wide_backward_queries_kernel(BackwardKernel p) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const PrefillAttentionBackward& a = p.op;
  const uint32_t above = p.heads.quotient(blockIdx.x);
  const auto head = static_cast<int32_t>(blockIdx.x - above * p.heads.divisor());
  const uint32_t sequence = p.tiles.quotient(above);
  const auto tile = static_cast<int32_t>(above - sequence * p.tiles.divisor());
  const int32_t unit = tile * warps + static_cast<int32_t>(threadIdx.x) / warp_size;
  if (unit >= a.units) return;
  const int32_t packed = a.shape.packed_width();
  const auto kv_head = static_cast<int32_t>(p.grouped.quotient(static_cast<uint32_t>(head)));
  const int64_t row = static_cast<int64_t>(sequence) * a.units;
  const typename Row::Place place(a.shape.head_size);
  const int64_t own = (row + unit) * packed + head * a.shape.head_size;
  float q[Row::elements];
  float d_out[Row::elements];
  load_inside<Row>(a.qkv + own, place, q);
  load_inside<Row>(a.d_out + (row + unit) * a.shape.width() + head * a.shape.head_size, place, d_out);
  float d_q[Row::elements];
#pragma unroll
  for (float& x : d_q) x = 0.0f;
  for (int32_t key = p.first(unit); key <= unit; ++key) {
    const bf16* const from = a.qkv + (row + key) * packed + a.shape.width() + kv_head * a.shape.head_size;
    const Row k = Row::load(from, 0, place);
    const Row v = Row::load(from + a.shape.kv_width(), 0, place);
    k.add_to(d_q, pair_of(p, k, q, v, d_out, p.sums(sequence, head) + 2 * unit).d_score);
  }
  Row::rounded(d_q, p.factor).store(a.d_qkv + own, place);
}

}  // namespace

void prefill_attention_backward_wide(Stream& stream, const PrefillAttentionBackward& a) {
  with_head_row(a.shape.head_size, [&](auto layout) {
    using Row = decltype(layout);
    if constexpr (Row::group == warp_size) {
      const int32_t tiles = (a.units + warps - 1) / warps;
      const auto grid = [&](int32_t heads) {
        return Grid{dim3(static_cast<unsigned>(a.sequences * heads * tiles)), threads};
      };
      const BackwardKernel by_keys = backward_kernel(a, a.shape.kv_heads, tiles);
      stream.launch({"prefill_attention_backward", backward_keys_work(a)}, grid(a.shape.kv_heads),
                    wide_backward_keys_kernel<Row>, by_keys);
      const BackwardKernel by_queries = backward_kernel(a, a.shape.heads, tiles);
      stream.launch({"prefill_attention_backward", backward_queries_work(a)}, grid(a.shape.heads),
                    wide_backward_queries_kernel<Row>, by_queries);
    }
  });
}

}  // namespace photon::PHOTON_GPU
