// SPDX-License-Identifier: Apache-2.0
// photon floor --paper: Tables 1 to 3 of the paper beside the model.
#pragma once

#include <string>
#include <vector>

#include "app/floor_ceilings.h"

namespace photon {

struct FloorPaper {
  FloorCeilings ceilings;              ///< of bfloat16
  std::vector<std::string> overrides;  ///< of every spec
  bool json = false;
};

/// Prints; the specs are those of configs/models.
void floor_paper(const FloorPaper& request);

}  // namespace photon
