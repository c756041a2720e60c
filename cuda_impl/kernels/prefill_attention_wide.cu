// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/prefill_attention_wide.h"

#include <string>

#include "core/base/error.h"

#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/softmax_scale.h"
#include "cuda_impl/kernels/stream_attention.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 128;

struct WideKernel {
  PrefillAttention op;
  float scale;
  uint32_t queries;
  FastDivision heads;
  FastDivision units;
  FastDivision grouped;
};

/// A warp a query.
template <class Row>
__global__ void __launch_bounds__(threads, 4) prefill_attention_wide_kernel(WideKernel p) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const PrefillAttention& a = p.op;
  const uint32_t query = blockIdx.x * (threads / warp_size) + threadIdx.x / warp_size;
  if (query >= p.queries) return;
  const uint32_t row = p.heads.quotient(query);
  const uint32_t head = query - row * p.heads.divisor();
  const uint32_t sequence = p.units.quotient(row);
  const auto unit = static_cast<int32_t>(row - sequence * p.units.divisor());
  const auto head_size = static_cast<uint32_t>(a.shape.head_size);
  const auto packed = static_cast<uint32_t>(a.shape.packed_width());
  const int32_t first = a.visible.first(unit);
  const typename Row::Place place(a.shape.head_size);

  float q[1][Row::elements];
  Row::load(a.qkv + static_cast<int64_t>(row) * packed, head * head_size, place).to_floats(q[0]);
#pragma unroll
  for (int i = 0; i < Row::elements; ++i) q[0][i] *= place.inside[i / Row::pack_size] ? p.scale : 0.0f;
  const bf16* k = a.qkv + (static_cast<int64_t>(sequence) * a.units + first) * packed + a.shape.width() +
                  p.grouped.quotient(head) * head_size;
  const KeyRun run{k, k + a.shape.kv_width(), packed, 0, a.units};
  const int32_t begin[1] = {0};
  const int32_t end[1] = {unit + 1 - first};
  const auto state = attend_stream<Row, 1>(q, run, place, end[0], begin, end);
  if (a.lse != nullptr && threadIdx.x % warp_size == 0) {
    a.lse[(static_cast<int64_t>(sequence) * a.shape.heads + head) * a.units + unit] =
        log_of_powers(state.most[0], state.sum[0]);
  }
  bf16* out = a.out + static_cast<int64_t>(row) * a.shape.width() + head * head_size;
  if (threadIdx.x % warp_size < Row::group) {
    Row::rounded(state.out[0], fast_reciprocal(state.sum[0])).store(out, place);
  }
}

}  // namespace

void prefill_attention_wide(Stream& stream, const PrefillAttention& a) {
  const int64_t queries = a.sequences * a.units * a.shape.heads;
  if (queries >= int64_t{1} << 31 || static_cast<int64_t>(a.units) * a.shape.packed_width() > UINT32_MAX) {
    throw Error("prefill attention of " + std::to_string(a.sequences) + " sequences of " +
                std::to_string(a.units) + " units with heads of " + std::to_string(a.shape.head_size) +
                " is too much for one launch");
  }
  with_head_row(a.shape.head_size, [&](auto layout) {
    using Row = decltype(layout);
    const WideKernel p{a,
                       softmax_scale(a.shape.head_size),
                       static_cast<uint32_t>(queries),
                       FastDivision(static_cast<uint32_t>(a.shape.heads)),
                       FastDivision(static_cast<uint32_t>(a.units)),
                       FastDivision(static_cast<uint32_t>(a.shape.heads / a.shape.kv_heads))};
    constexpr unsigned warps_a_block = threads / warp_size;
    const Grid grid{dim3((p.queries + warps_a_block - 1) / warps_a_block), threads};
    stream.launch({"prefill_attention", prefill_attention_work(a)}, grid, prefill_attention_wide_kernel<Row>,
                  p);
  });
}

}  // namespace photon::PHOTON_GPU
