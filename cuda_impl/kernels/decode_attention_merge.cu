// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/decode_attention_parts.h"
#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/reduce.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 128;

struct MergeKernel {
  DecodeAttention op;
  PartialStates states;
  uint32_t queries;
  FastDivision queries_a_row;
};

/// A warp a query, two elements a lane. Parts of nothing (d = 0) left no sums and are passed over.
__global__ void __launch_bounds__(threads, 8) decode_attention_merge_kernel(MergeKernel p) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const uint32_t query = blockIdx.x * (threads / warp_size) + threadIdx.x / warp_size;
  if (query >= p.queries) return;
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int32_t head_size = p.op.shape.head_size;
  bf16* const out = p.op.out + static_cast<int64_t>(query) * head_size;
  const bool idle = p.op.position.unit(p.queries_a_row.quotient(query)) < 0;
  const auto* const norms = p.states.norms + p.states.index(query, 0);
  float most = -INFINITY;
  if (!idle) {
    for (int part = lane; part < p.states.parts; part += warp_size) {
      const auto norm = norms[part];
      if (norm.v[1] > 0.0f) most = fmaxf(most, norm.v[0]);
    }
    most = warp_max(most);
  }
  const float* const sums = p.states.sums + p.states.index(query, 0) * head_size;
  for (int i = 2 * lane; i < head_size; i += 2 * warp_size) {
    Pack<float, 2> all{{0.0f, 0.0f}};
    float weights = 0.0f;
    if (!idle) {
#pragma unroll 4
      for (int part = 0; part < p.states.parts; ++part) {
        const auto norm = norms[part];
        if (norm.v[1] <= 0.0f) continue;
        const float keep = fast_exp2(norm.v[0] - most);
        const auto sum = load_pack<2>(sums + part * head_size + i);
        weights = fmaf(norm.v[1], keep, weights);
        all.v[0] = fmaf(sum.v[0], keep, all.v[0]);
        all.v[1] = fmaf(sum.v[1], keep, all.v[1]);
      }
    }
    const float inverse = weights > 0.0f ? fast_reciprocal(weights) : 0.0f;
    store_pairs<2>(out + i, {{to_bf16_pair(all.v[0] * inverse, all.v[1] * inverse)}});
  }
}

}  // namespace

void launch_merge(Stream& stream, const DecodeAttention& a, const Work& work) {
  const int64_t queries = a.rows * a.units * a.shape.heads;
  const MergeKernel p{a, partial_states(a), static_cast<uint32_t>(queries),
                      FastDivision(static_cast<uint32_t>(a.units * a.shape.heads))};
  constexpr unsigned warps_a_block = threads / warp_size;
  const Grid grid{dim3((p.queries + warps_a_block - 1) / warps_a_block), threads};
  stream.launch({"decode_attention_merge", work}, grid, decode_attention_merge_kernel, p);
}

}  // namespace photon::PHOTON_GPU
