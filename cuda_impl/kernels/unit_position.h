// SPDX-License-Identifier: Apache-2.0
// Where the rows of a batch stand, read on the device so that one recorded graph serves every meta-context:
// a row's first token position changes between replays, everything else is fixed when the graph is made.
#pragma once

#include <cstdint>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// The unit of a level at which each row's next ones go.
struct UnitPosition {
  /// (rows): first token of the row's current meta-context; < 0: row is idle
  const int32_t* start = nullptr;
  int32_t tokens_per_unit = 1;  ///< C_{<=l}
  int32_t offset = 0;           ///< units of the current meta-context already there

  /// Position of the row's next unit, -1 if the row is idle.
  __device__ int32_t unit(int64_t row) const {
    const int32_t token = start[row];
    return token < 0 ? -1 : token / tokens_per_unit + offset;
  }
};

}  // namespace photon::PHOTON_GPU
