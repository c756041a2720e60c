// SPDX-License-Identifier: Apache-2.0
// One AdamW update (core/backend/adamw.h) in one pass over parameters, gradients and moments, which also
// writes the bf16 weights and leaves the gradients zero for the next step.
#pragma once

#include <cstdint>

#include "core/backend/adamw.h"
#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/parameter_tiles.h"

namespace photon::PHOTON_GPU {

/// Flat arrays as `tiles` say. Parameters that are not trained, their moments and weights stay as they are.
struct AdamW {
  float* parameters = nullptr;
  float* gradients = nullptr;  ///< become 0, also of what is not trained
  float* first = nullptr;
  float* second = nullptr;
  bf16* weights = nullptr;
  const ParameterTile* tiles = nullptr;  ///< on the device
  int64_t tile_count = 0;
  int64_t trained_elements = 0;  ///< in all tiles
  int64_t frozen_elements = 0;
  AdamWFactors factors;
};

Work adamw_work(const AdamW& a);
void adamw(Stream& stream, const AdamW& a);

}  // namespace photon::PHOTON_GPU
