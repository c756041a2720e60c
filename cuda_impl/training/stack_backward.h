// SPDX-License-Identifier: Apache-2.0
// Backward of a stack over many rows (model/stack_tape): gradients of its input and of its weights.
#pragma once

#include <cstdint>

#include "cuda_impl/model/stack_tape.h"

namespace photon::PHOTON_GPU {

using StackGradients = StackView<float>;

/// Memory that the layers of all stacks use in turn.
class BackwardScratch {
 public:
  /// Before lay_out: that a stack of this shape will use it.
  void make_room(const TapeShape& shape);
  /// For the sums over `rows` rows of a norm's gain or a bias of `width`.
  void make_room_for_sums(int64_t rows, int64_t width);
  /// In d_normed, for a chunker or converter.
  void make_room_for_rows(int64_t rows, int64_t width);
  void lay_out(Arena& arena);

  bf16* d_hidden = nullptr;  ///< (rows, F)
  bf16* d_normed = nullptr;  ///< (rows, D)
  bf16* d_qkv = nullptr;     ///< (rows, D + 2 kv_width)
  float* partial = nullptr;  ///< workspace of whichever kernel sums over rows
  /// Of all layers of a stack in parts: (layers, chunks, kv_heads, window, head_size) each.
  float* d_k = nullptr;
  float* d_v = nullptr;

 private:
  int64_t hidden_ = 0;
  int64_t normed_ = 0;
  int64_t qkv_ = 0;
  int64_t partial_ = 0;
  int64_t cache_ = 0;
};

/// Before the last part's backward, where a stack is in parts.
void begin_backward(Stream& stream, const StackTape& tape, const BackwardScratch& scratch);

/// d (rows, D): on entry the gradient of the part's `last`, on return that of its input. Weight gradients but
/// the final norm's are added to g. Parts in reverse order.
void backward(const LayerContext& context, const StackWeights& w, const StackGradients& g,
              const StackTape& tape, size_t part, const BackwardScratch& scratch, bf16* d);

}  // namespace photon::PHOTON_GPU
