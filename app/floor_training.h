// SPDX-License-Identifier: Apache-2.0
// photon floor --training: the analytic time of a training step by op.
#pragma once

#include <cstdint>

#include "core/backend/backend.h"
#include "core/cost/hardware.h"

namespace photon {

struct FloorTraining {
  ModelSpec spec;
  Hardware hardware;
  bool data_sheet = false;  ///< ceilings: not the measured ones
  int64_t rows = 0;         ///< 0: as many as fit the hardware's memory
  int64_t length = 0;
  Recompute recompute = Recompute::none;
  bool json = false;
};

/// Prints. The launches are those of the CUDA back end, whose emulation every build has. Throws Error on a
/// length that the model refuses, and where not even one row fits.
void floor_training(const FloorTraining& request);

}  // namespace photon
