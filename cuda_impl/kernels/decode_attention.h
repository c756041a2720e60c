// SPDX-License-Identifier: Apache-2.0
// Attention of a few new units a row over its growing cache: what decoding spends its bytes on. The cache is
// split among warps, each leaves a mergeable state (o, m, d); what samples of one prompt share is read once
// for all of them.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/attention_shape.h"
#include "cuda_impl/kernels/cache_view.h"
#include "cuda_impl/kernels/unit_position.h"

namespace photon::PHOTON_GPU {

/// Keys and values of the new units are in the cache already.
struct DecodeAttention {
  AttentionShape shape = {};
  const bf16* q = nullptr;  ///< (rows · units, ..), row stride `q_stride`, rotated
  int64_t q_stride = 0;
  CacheView cache = {};  ///< of this layer: (rows, kv_heads, capacity, head_size)
  SharedPrefix shared = {};
  VisibleUnits visible = {};
  UnitPosition position = {};  ///< of the first new unit
  bf16* out = nullptr;         ///< (rows · units, width); rows of idle sequences are zeroed
  int64_t rows = 0;
  int32_t units = 1;           ///< new ones a row; unit i sees what is visible up to itself
  int32_t splits = 1;          ///< parts the own cache is read in, decode_attention_splits
  int32_t shared_splits = 0;   ///< of the shared prefix: shared_prefix_splits; 0 if there is none
  float* workspace = nullptr;  ///< decode_attention_workspace(...) floats
};

/// What the launch reads and writes at the positions of this moment, which the host knows and the graph does
/// not.
struct CacheTraffic {
  double pairs = 0.0;      ///< (query, visible key)
  double rows_read = 0.0;  ///< cached rows (K and V of a unit), the units of this step not counted
  double rows_written = 0.0;
  double shared_pairs = 0.0;      ///< of the pairs, those with keys of the shared prefix
  double shared_rows_read = 0.0;  ///< of the rows read, those of the shared prefix, once for all samples
};

/// Parts that keep the whole device busy for `sequences` own caches of up to `longest` units.
int32_t decode_attention_splits(const AttentionShape& shape, int64_t sequences, int64_t longest,
                                int multiprocessors);
/// The same for the shared prefixes of `prompts` prompts.
int32_t shared_prefix_splits(const AttentionShape& shape, int64_t prompts, int64_t longest,
                             int multiprocessors);
/// Floats that a launch needs; 0 if one part serves.
int64_t decode_attention_workspace(const AttentionShape& shape, int64_t rows, int32_t units, int32_t splits,
                                   int32_t shared_splits);
/// Of all its launches. Writing the cache is rotate_append's.
Work decode_attention_work(const DecodeAttention& a, const CacheTraffic& traffic);
void decode_attention(Stream& stream, const DecodeAttention& a, const CacheTraffic& traffic);

}  // namespace photon::PHOTON_GPU
