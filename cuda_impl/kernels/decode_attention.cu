// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/decode_attention.h"

#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "cuda_impl/kernels/decode_attention_parts.h"
#include "cuda_impl/kernels/flash_tile.h"

namespace photon::PHOTON_GPU {
namespace {

double queries(const DecodeAttention& a) {
  return static_cast<double>(a.rows) * a.units * a.shape.heads;
}

/// Bytes of states written; read again by the merge.
double state_bytes(const DecodeAttention& a, int32_t parts) {
  return queries(a) * parts * (a.shape.head_size + 2) * sizeof(float);
}

int32_t parts_of(int64_t streams, int64_t wanted, int64_t most) {
  const int64_t parts = (wanted + streams - 1) / std::max<int64_t>(1, streams);
  return static_cast<int32_t>(std::clamp<int64_t>(parts, 1, std::max<int64_t>(1, most)));
}

struct Works {
  Work own;
  Work shared;
  Work merge;
};

Works works(const DecodeAttention& a, const CacheTraffic& t) {
  const StackShape shape{.width = a.shape.width(), .heads = a.shape.heads, .kv_heads = a.shape.kv_heads};
  const double query_bytes = queries(a) * a.shape.head_size * sizeof(bf16);
  const bool merged = a.splits + a.shared_splits > 1;
  Works w;
  const double shared_pairs = a.shared_splits > 0 ? t.shared_pairs : 0.0;
  const double shared_rows = a.shared_splits > 0 ? t.shared_rows_read : 0.0;
  w.own = attention_work(shape, t.pairs - shared_pairs, t.rows_read - shared_rows, 0.0, sizeof(bf16));
  // The units of this step are read, too: they are activations.
  const double new_rows = static_cast<double>(a.rows) * a.units * 2.0 * a.shape.kv_width() * sizeof(bf16);
  w.own.other_bytes = query_bytes + new_rows + (merged ? state_bytes(a, a.splits) : query_bytes);
  if (a.shared_splits > 0) {
    w.shared = attention_work(shape, shared_pairs, shared_rows, 0.0, sizeof(bf16));
    w.shared.other_bytes = query_bytes + state_bytes(a, a.shared_splits);
  }
  if (merged) w.merge.other_bytes = state_bytes(a, a.splits + a.shared_splits) + query_bytes;
  return w;
}

}  // namespace

PartialStates partial_states(const DecodeAttention& a) {
  const int32_t parts = a.splits + a.shared_splits;
  const int64_t states = a.rows * a.units * a.shape.heads * parts;
  return {a.workspace, reinterpret_cast<Pack<float, 2>*>(a.workspace + states * a.shape.head_size), parts};
}

int32_t decode_attention_splits(const AttentionShape& shape, int64_t sequences, int64_t longest,
                                int multiprocessors) {
  // Sixteen warps keep enough bytes in flight on a multiprocessor; shorter parts than these are all overhead.
  constexpr int64_t warps_wanted = 16;
  constexpr int64_t shortest_part = 64;
  return parts_of(sequences * shape.kv_heads, multiprocessors * warps_wanted, longest / shortest_part);
}

int32_t shared_prefix_splits(const AttentionShape& shape, int64_t prompts, int64_t longest,
                             int multiprocessors) {
  // Blocks hold two tiles of keys each, so few of them are enough, and every part costs a state for each
  // query of each sample.
  constexpr int64_t blocks_wanted = 4;
  constexpr int64_t shortest_part = 2 * flash_keys;
  return parts_of(prompts * shape.kv_heads, multiprocessors * blocks_wanted, longest / shortest_part);
}

int64_t decode_attention_workspace(const AttentionShape& shape, int64_t rows, int32_t units, int32_t splits,
                                   int32_t shared_splits) {
  const int32_t parts = splits + shared_splits;
  return parts == 1 ? 0 : rows * units * shape.heads * parts * (shape.head_size + 2);
}

Work decode_attention_work(const DecodeAttention& a, const CacheTraffic& traffic) {
  const Works w = works(a, traffic);
  Work all = w.own;
  all += w.shared;
  all += w.merge;
  return all;
}

void decode_attention(Stream& stream, const DecodeAttention& a, const CacheTraffic& traffic) {
  if (a.rows == 0 || a.units == 0) return;
  const bool shared = a.shared.cache.k != nullptr;
  if (a.splits < 1 || (a.shared_splits > 0) != shared) {
    throw Error("decode attention in " + std::to_string(a.splits) + " own and " +
                std::to_string(a.shared_splits) + " shared parts " + (shared ? "with" : "without") +
                " a shared prefix");
  }
  if (a.rows * a.units * a.shape.heads >= int64_t{1} << 31) {
    throw Error("decode attention of " + std::to_string(a.rows) + " rows in one launch; " +
                std::to_string((int64_t{1} << 31) / (a.units * a.shape.heads)) + " are too many");
  }
  const Works w = works(a, traffic);
  const bool tensor_heads = a.shape.head_size <= largest_flash_head;
  // One or two queries a key's head leave nothing to a tensor core.
  if (tensor_heads && a.units * (a.shape.heads / a.shape.kv_heads) > 2) {
    launch_tensor_parts(stream, a, false, w.own);
  } else {
    launch_stream_parts(stream, a, false, w.own);
  }
  if (shared && tensor_heads) launch_tensor_parts(stream, a, true, w.shared);
  if (shared && !tensor_heads) launch_stream_parts(stream, a, true, w.shared);
  if (a.splits + a.shared_splits > 1) launch_merge(stream, a, w.merge);
}

}  // namespace photon::PHOTON_GPU
