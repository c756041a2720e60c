// photon floor --crossings: the batches and contexts at which one bound of decoding gives way to another.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/crossings.h"
#include "core/hardware.h"

namespace photon {

struct FloorCrossings {
  std::vector<analysis::DecodeCase> cases;
  Hardware hardware;
  Ceilings ceilings;
  std::vector<int64_t> contexts;  ///< at which batches are solved for
  std::vector<int64_t> batches;   ///< at which contexts are
  bool json = false;
};

/// Prints.
void floor_crossings(const FloorCrossings& request);

}  // namespace photon
