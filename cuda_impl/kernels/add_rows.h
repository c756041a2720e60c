// SPDX-License-Identifier: Apache-2.0
// Gradients from one strided place to another, set or added: out of windows into units and prefixes, between
// the bf16 of a stack and the float of the streams between stacks.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// Group g has `rows` adjacent rows of `width` at from + g · from_stride, which go to to + g · to_stride.
/// From bf16 to either, or from float to bf16.
struct AddRows {
  const bf16* from = nullptr;  ///< or
  const float* from_float = nullptr;
  int64_t from_stride = 0;
  bf16* to = nullptr;  ///< or
  float* to_float = nullptr;
  int64_t to_stride = 0;
  bool add = true;  ///< to what is there
  int64_t groups = 0;
  int32_t rows = 1;
  int32_t width = 0;
};

Work add_rows_work(const AddRows& a);
void add_rows(Stream& stream, const AddRows& a);

}  // namespace photon::PHOTON_GPU
