// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/prefill_attention_backward.h"

#include <cmath>
#include <string>

#include "core/base/error.h"
#include "cuda_impl/kernels/flash_tile.h"
#include "cuda_impl/kernels/head_row.h"
#include "cuda_impl/kernels/prefill_attention_backward_parts.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 256;

struct SumsKernel {
  PrefillAttentionBackward op;
  uint32_t queries;
  FastDivision heads;
  FastDivision units;
};

/// A group of lanes a query.
template <class Row>
__global__ void __launch_bounds__(threads) prefill_attention_backward_sums_kernel(SumsKernel p) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const PrefillAttentionBackward& a = p.op;
  const uint32_t own = (blockIdx.x * threads + threadIdx.x) / Row::group;
  const uint32_t query = min(own, p.queries - 1);
  const uint32_t row = p.heads.quotient(query);
  const uint32_t head = query - row * p.heads.divisor();
  const uint32_t sequence = p.units.quotient(row);
  const uint32_t unit = row - sequence * p.units.divisor();
  const typename Row::Place place(a.shape.head_size);
  const int64_t at = static_cast<int64_t>(row) * a.shape.width() + head * a.shape.head_size;
  float d_out[Row::elements];
  Row::load(a.d_out + at, 0, place).to_floats(d_out);
#pragma unroll
  for (int i = 0; i < Row::elements; ++i) d_out[i] = place.inside[i / Row::pack_size] ? d_out[i] : 0.0f;
  const float mean = group_sum<Row::group>(Row::load(a.out + at, 0, place).dot(d_out));
  if (own < p.queries && threadIdx.x % Row::group == 0) {
    constexpr float log2_e = 1.4426950408889634f;
    const int64_t to = (static_cast<int64_t>(sequence) * a.shape.heads + head) * a.units + unit;
    store_pack(a.workspace + 2 * to, Pack<float, 2>{{a.lse[to] * log2_e, mean}});
  }
}

double rows_of(const PrefillAttentionBackward& a) {
  return static_cast<double>(a.sequences) * a.units;
}

double sums_bytes(const PrefillAttentionBackward& a) {
  return rows_of(a) * a.shape.heads * 2 * sizeof(float);
}

Work backward_sums_work(const PrefillAttentionBackward& a) {
  Work work;
  work.other_bytes =
      rows_of(a) * (2.0 * a.shape.width() * sizeof(bf16) + 1.0 * a.shape.heads * sizeof(float)) +
      sums_bytes(a);
  return work;
}

/// `products` of the four that a backward pass has for the forward pass' two; gradients of so many columns.
Work products_work(const PrefillAttentionBackward& a, double products, int32_t columns) {
  const StackShape shape{.width = a.shape.width(), .heads = a.shape.heads, .kv_heads = a.shape.kv_heads};
  double pairs = 0.0;
  for (int32_t unit = 0; unit < a.units; ++unit) pairs += unit + 1 - a.visible.first(unit);
  Work work = attention_work(shape, static_cast<double>(a.sequences) * pairs, 0.0, 0.0, sizeof(bf16));
  work.flops *= products / 2.0;
  work.other_bytes =
      rows_of(a) * (a.shape.packed_width() + a.shape.width() + columns) * sizeof(bf16) + sums_bytes(a);
  return work;
}

}  // namespace

int64_t prefill_attention_backward_workspace(const AttentionShape& shape, int64_t sequences, int32_t units) {
  return 2 * sequences * units * shape.heads;
}

Work backward_keys_work(const PrefillAttentionBackward& a) {
  return products_work(a, 3.0, 2 * a.shape.kv_width());
}

Work backward_queries_work(const PrefillAttentionBackward& a) {
  return products_work(a, 1.0, a.shape.width());
}

Work prefill_attention_backward_work(const PrefillAttentionBackward& a) {
  Work work = backward_sums_work(a);
  work += backward_keys_work(a);
  work += backward_queries_work(a);
  return work;
}

BackwardKernel backward_kernel(const PrefillAttentionBackward& a, int32_t heads, int64_t tiles) {
  const int64_t blocks = a.sequences * heads * tiles;
  if (blocks >= int64_t{1} << 31) {
    throw Error("the backward pass of attention of " + std::to_string(a.sequences) + " sequences of " +
                std::to_string(a.units) + " units takes " + std::to_string(blocks) +
                " blocks; fewer than 2^31 fit one launch");
  }
  return {a,
          softmax_scale(a.shape.head_size),
          static_cast<float>(1.0 / std::sqrt(static_cast<double>(a.shape.head_size))),
          FastDivision(static_cast<uint32_t>(heads)),
          FastDivision(static_cast<uint32_t>(tiles)),
          FastDivision(static_cast<uint32_t>(a.shape.heads / a.shape.kv_heads)),
          FastDivision(static_cast<uint32_t>(a.visible.block > 0 ? a.visible.block : 1))};
}

void prefill_attention_backward(Stream& stream, const PrefillAttentionBackward& a) {
  if (a.sequences == 0 || a.units == 0) return;
  with_head_row(a.shape.head_size, [&](auto layout) {
    using Row = decltype(layout);
    const int64_t queries = a.sequences * a.units * a.shape.heads;
    if (queries >= (int64_t{1} << 31) / Row::group) {
      throw Error("the backward pass of attention of " + std::to_string(a.sequences) + " sequences of " +
                  std::to_string(a.units) + " units with " + std::to_string(a.shape.heads) +
                  " heads in one launch; sequences · units · heads is to be less than " +
                  std::to_string((int64_t{1} << 31) / Row::group));
    }
    const SumsKernel p{a, static_cast<uint32_t>(queries), FastDivision(static_cast<uint32_t>(a.shape.heads)),
                       FastDivision(static_cast<uint32_t>(a.units))};
    constexpr uint32_t queries_a_block = threads / Row::group;
    const Grid grid{dim3((p.queries + queries_a_block - 1) / queries_a_block), threads};
    stream.launch({"prefill_attention_backward", backward_sums_work(a)}, grid,
                  prefill_attention_backward_sums_kernel<Row>, p);
  });
  if (a.shape.head_size > largest_flash_head) {
    prefill_attention_backward_wide(stream, a);
  } else {
    prefill_attention_backward_keys(stream, a);
    prefill_attention_backward_queries(stream, a);
  }
}

}  // namespace photon::PHOTON_GPU
