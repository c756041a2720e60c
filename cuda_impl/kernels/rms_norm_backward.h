// SPDX-License-Identifier: Apache-2.0
// The gradient of RMSNorm (rms_norm.h). With s = 1 / sqrt(mean(x²) + eps) and q = gain · d_out,
// d_x = s (q - x s² mean(x q)) and d_gain = sum over rows of x s d_out, in a fixed order: blocks walk rows
// and leave partial sums in the workspace, which a second kernel adds up.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// Group g has `rows` adjacent rows of `width` at x + g · x_stride, and likewise in d_out and d_x.
struct RmsNormBackward {
  const bf16* x = nullptr;
  int64_t x_stride = 0;         ///< even
  const bf16* gain = nullptr;   ///< (width)
  const bf16* d_out = nullptr;  ///< or
  const float* d_out_float = nullptr;
  int64_t d_out_stride = 0;    ///< even
  bf16* d_x = nullptr;         ///< or
  float* d_x_float = nullptr;  ///< always added to
  int64_t d_x_stride = 0;      ///< even
  bool add = false;            ///< to what is in d_x
  float* d_gain = nullptr;     ///< (width), added to
  float* workspace = nullptr;  ///< rms_norm_backward_workspace(groups · rows, width) elements
  int64_t groups = 0;
  int32_t rows = 1;
  int32_t width = 0;  ///< even, at most 8192
  float eps = 0.0f;

  static constexpr int32_t widest = 8192;
};

/// Elements; rows: of all groups.
int64_t rms_norm_backward_workspace(int64_t rows, int32_t width);
/// Of both launches.
Work rms_norm_backward_work(const RmsNormBackward& a);
/// Throws Error if the width is beyond `widest`.
void rms_norm_backward(Stream& stream, const RmsNormBackward& a);

}  // namespace photon::PHOTON_GPU
