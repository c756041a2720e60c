// SPDX-License-Identifier: Apache-2.0
// RMSNorm (Zhang & Sennrich 2019) of strided rows: out = x / sqrt(mean(x²) + eps) · gain.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct RmsNorm {
  const bf16* x = nullptr;     ///< row r at x + r · x_stride
  int64_t x_stride = 0;        ///< even
  const bf16* gain = nullptr;  ///< (width)
  bf16* out = nullptr;         ///< row r at out + r · out_stride
  int64_t out_stride = 0;      ///< even
  bf16* copy = nullptr;        ///< null, or where the result goes as well
  int64_t copy_stride = 0;
  int64_t rows = 0;
  int32_t width = 0;  ///< even
  float eps = 0.0f;
};

Work rms_norm_work(const RmsNorm& a);
void rms_norm(Stream& stream, const RmsNorm& a);

}  // namespace photon::PHOTON_GPU
