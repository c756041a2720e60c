// SPDX-License-Identifier: Apache-2.0
// Cross-entropy of logits against targets (docs/architecture.md, "The model"), and its gradient in the
// logits' own place: they are stored once.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct CrossEntropy {
  /// (rows, vocab). With `differentiate` row r becomes (softmax - onehot(target)) · factor in bf16, from the
  /// row's first byte on: `vocab` elements at bf16 element r · 2 · vocab; 0 where there is no target.
  float* logits = nullptr;
  const int32_t* targets = nullptr;  ///< (rows), -1: none
  float factor = 0.0f;
  bool differentiate = false;
  float* row_losses = nullptr;  ///< (rows): -log softmax[target], 0 without target
  int64_t rows = 0;
  int32_t vocab = 0;
};

Work cross_entropy_work(const CrossEntropy& a);
void cross_entropy(Stream& stream, const CrossEntropy& a);

}  // namespace photon::PHOTON_GPU
