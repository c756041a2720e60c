// SPDX-License-Identifier: Apache-2.0
// The transpose of gather_conditioning (latents.h) where the rows have no history: what converters made of
// latents comes back to them and, where there was none, to the start latent.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct ConditioningBackward {
  const bf16* d = nullptr;     ///< (rows · chunks, K · width)
  float* d_latents = nullptr;  ///< (rows, chunks, width), added to
  float* d_start = nullptr;    ///< (width), added to; null: that gradient is not wanted
  int64_t rows = 0;
  int32_t chunks = 0;
  int32_t context = 1;  ///< K
  int32_t width = 0;    ///< even
  bool previous = false;
};

Work conditioning_backward_work(const ConditioningBackward& a);
void conditioning_backward(Stream& stream, const ConditioningBackward& a);

}  // namespace photon::PHOTON_GPU
