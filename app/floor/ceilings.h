// SPDX-License-Identifier: Apache-2.0
// The ceilings that photon floor counts with, and where each comes from: a floor on what was measured of one
// machine and a floor on the data sheet of another are not to be compared unawares.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/cost/hardware.h"

namespace photon::app {

struct FloorCeilings {
  Hardware hardware;
  DType dtype = DType::bfloat16;
  bool data_sheet = false;  ///< the data sheet's alone

  Ceilings values() const { return hardware.ceilings(dtype, data_sheet); }
};

/// "4300 GB/s (reported), 788 TFLOP/s (reported), 1.3 us a launch (reported)", then whose reports they are,
/// or what a floor on a data sheet must not be compared with, on lines of their own.
std::string describe(const FloorCeilings& ceilings);

/// Values and origins; null where a launch's cost is not known.
nlohmann::ordered_json to_json(const FloorCeilings& ceilings);

}  // namespace photon::app
