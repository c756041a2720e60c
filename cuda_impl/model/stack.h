// SPDX-License-Identifier: Apache-2.0
// One pass of a LLaMA stack over rows that lie on the device: pre-RMSNorm, attention, SwiGLU, in place on the
// residual rows. What a row attends to is the caller's.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "cuda_impl/kernels/attention_shape.h"
#include "cuda_impl/kernels/rotate_append.h"
#include "cuda_impl/model/linear.h"
#include "cuda_impl/model/weights.h"

namespace photon::PHOTON_GPU {

/// Rows between the operations of a layer; as wide as the widest stack that uses them.
struct StackScratch {
  LinearScratch linear;
  bf16* qkv = nullptr;        ///< (rows, D + 2 kv_width)
  bf16* attended = nullptr;   ///< (rows, D)
  bf16* activated = nullptr;  ///< (rows, F)

  /// For passes of up to `rows` rows through stacks of any of these shapes and products with norms of up to
  /// `widest_norm` elements.
  static StackScratch plan(Arena& arena, int64_t rows, std::span<const StackShape> shapes,
                           int64_t widest_norm);
};

AttentionShape attention_shape(const StackShape& shape);

/// x (rows, D): the residual stream, changed in place; the final norm is the caller's. attend(layer) turns
/// scratch.qkv into scratch.attended.
void run_layers(Stream& stream, Linears& linear, const StackWeights& w, const StackScratch& scratch, bf16* x,
                int64_t rows, const std::function<void(size_t layer)>& attend);

/// Whole sequences from their first unit on: x (sequences · units, D), in place. keep(layer, append) may name
/// the cache that takes keys and values; `stored` units of all sequences together go there.
struct Sequences {
  int64_t count = 0;
  int64_t units = 0;
  VisibleUnits visible;
  const float* rotations = nullptr;
  double stored = 0.0;
  std::function<void(size_t layer, RotateAppend& append)> keep;
};
void run_sequences(Stream& stream, Linears& linear, const StackWeights& w, const StackScratch& scratch,
                   bf16* x, const Sequences& sequences);

/// How far units of level l see (0: of vanilla's stack).
VisibleUnits visible_units(const ModelSpec& spec, int l);

}  // namespace photon::PHOTON_GPU
