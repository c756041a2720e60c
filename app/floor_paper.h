// photon floor --paper: Tables 1 to 3 of the paper beside the model.
#pragma once

#include <string>
#include <vector>

#include "core/hardware.h"

namespace photon {

struct FloorPaper {
  Hardware hardware;
  bool data_sheet = false;             ///< ceilings: not the measured ones
  std::vector<std::string> overrides;  ///< of every spec
  bool json = false;
};

/// Prints; the specs are those of configs/models.
void floor_paper(const FloorPaper& request);

}  // namespace photon
