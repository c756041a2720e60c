// SPDX-License-Identifier: Apache-2.0
// Causal attention softmax(q k^T / sqrt(d)) v of a few rows over keys that lie in segments: the rows of one
// forward pass, the parts of a decoder window made one after another, or a cache followed by the rows just
// appended. One function serves the global encoders, the chunk-local decoders, training and generation.
#pragma once

#include <cstdint>
#include <span>

#include "core/model/model_spec.h"
#include "reference/types.h"

namespace photon::reference {

/// Consecutive key and value rows (kv_width each) of one sequence.
template <class S>
struct KeySegment {
  const S* k = nullptr;
  const S* v = nullptr;
  Index stride = 0;
  Index rows = 0;
  S* dk = nullptr;  ///< gradients, same stride; only attention_backward reads them
  S* dv = nullptr;
};

template <class S>
struct AttentionInput {
  StackShape shape;
  Visibility visibility;
  Index sequences = 0;
  Index queries = 0;     ///< rows of each sequence; they are its last positions
  const S* q = nullptr;  ///< (sequences · queries, heads · head_size), rotated
  Index q_stride = 0;
  Index segments_per_sequence = 0;
  std::span<const KeySegment<S>> segments;  ///< sequence by sequence, oldest first; keys rotated
  std::span<const int64_t> first_key;       ///< a sequence: absolute position of its first key
};

/// out (sequences · queries, heads · head_size).
template <class S>
void attention(const AttentionInput<S>& in, S* out, Index out_stride);

/// Adds the gradients to dq (stride q_stride) and to the segments' dk, dv. Probabilities are recomputed, so
/// nothing of size queries x keys is kept from the forward pass. `out` is attention's output.
template <class S>
void attention_backward(const AttentionInput<S>& in, const S* out, const S* d_out, Index out_stride, S* dq);

}  // namespace photon::reference
