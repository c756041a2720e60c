// SPDX-License-Identifier: Apache-2.0
// Rows from one strided place to another: windows put together from prefix and feedback, units into chunks.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// Group g has `rows` adjacent rows of `width` at from + g · from_stride, which go to to + g · to_stride.
struct CopyRows {
  const bf16* from = nullptr;
  int64_t from_stride = 0;
  bf16* to = nullptr;
  int64_t to_stride = 0;
  int64_t groups = 0;
  int32_t rows = 1;
  int32_t width = 0;
};

Work copy_rows_work(const CopyRows& a);
void copy_rows(Stream& stream, const CopyRows& a);

}  // namespace photon::PHOTON_GPU
