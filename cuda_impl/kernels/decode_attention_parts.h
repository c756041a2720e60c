// SPDX-License-Identifier: Apache-2.0
// What the kernels of decode attention have in common: which keys a part of a cache covers, and where a part
// leaves its state (o, m, d) for the merge. A state of nothing is m = -inf, d = 0, its o is not written.
#pragma once

#include <cstdint>

#include "cuda_impl/kernels/decode_attention.h"

namespace photon::PHOTON_GPU {

/// Parts begin at multiples of this many keys.
constexpr int32_t keys_a_part_step = 16;

/// Keys [begin, begin + count) of a row, as units; one part of those in its own cache or in the shared one.
struct KeyPart {
  int32_t begin;
  int32_t count;
};

__device__ inline KeyPart key_part(int32_t first, int32_t end, int32_t parts, int32_t part) {
  const int32_t all = end > first ? end - first : 0;
  if (parts == 1) return {first, all};
  const int32_t even = (all + parts - 1) / parts;
  const int32_t size = (even + keys_a_part_step - 1) / keys_a_part_step * keys_a_part_step;
  const int32_t begin = part * size < all ? part * size : all;
  return {first + begin, size < all - begin ? size : all - begin};
}

/// Unit at which the row's own cache begins.
__device__ inline int32_t first_own_unit(const SharedPrefix& shared, int64_t row) {
  if (shared.cache.k == nullptr) return 0;
  const int64_t prompt = row / shared.samples;
  return shared.first[prompt] + shared.count[prompt];
}

/// (rows · units · heads, splits + shared_splits): weighted sums over values (head_size), then the largest
/// score in powers of two and the sum of weights.
struct PartialStates {
  float* sums;
  Pack<float, 2>* norms;
  int32_t parts;

  __host__ __device__ int64_t index(int64_t query, int32_t part) const { return query * parts + part; }
};

PartialStates partial_states(const DecodeAttention& a);

/// Any number of queries of few keys each, one warp for two of them: over the own caches, or (`shared`, for
/// heads that the other kernel does not take) over the shared ones.
void launch_stream_parts(Stream& stream, const DecodeAttention& a, bool shared, const Work& work);
/// Many queries of the same keys, on tensor cores: the grouped heads and units of a row over its own cache,
/// or those of all samples of a prompt over the shared one. Heads up to 128.
void launch_tensor_parts(Stream& stream, const DecodeAttention& a, bool shared, const Work& work);
/// All parts of a query into its row of `out`.
void launch_merge(Stream& stream, const DecodeAttention& a, const Work& work);

}  // namespace photon::PHOTON_GPU
