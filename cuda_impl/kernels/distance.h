// SPDX-License-Identifier: Apache-2.0
// The distances that L_rec and L_context take between two streams (docs/architecture.md, "The model"), row by
// row, with their gradients.
#pragma once

#include <cstdint>

#include "core/backend/trainable_model.h"
#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// Group g has `rows` adjacent rows of `width` at a + g · a_stride, and likewise in the others.
struct RowDistances {
  Distance kind = Distance::cosine;
  const bf16* a = nullptr;
  int64_t a_stride = 0;
  const bf16* b = nullptr;
  int64_t b_stride = 0;
  float factor = 0.0f;   ///< of the gradients
  float* d_a = nullptr;  ///< added to; null: not wanted
  int64_t d_a_stride = 0;
  float* d_b = nullptr;  ///< likewise
  int64_t d_b_stride = 0;
  float* row_losses = nullptr;  ///< (groups · rows): d(a, b)
  int64_t groups = 0;
  int32_t rows = 1;
  int32_t width = 0;
};

Work distance_work(const RowDistances& a);
void distance(Stream& stream, const RowDistances& a);

}  // namespace photon::PHOTON_GPU
