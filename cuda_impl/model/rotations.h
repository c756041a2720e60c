// SPDX-License-Identifier: Apache-2.0
// The table of rotary angles, computed in double (docs/architecture.md, "The model": half-split, positions
// from 0).
#pragma once

#include <cstdint>
#include <vector>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// (positions, head_size / 2, 2): cosine and sine of position · theta^(-2 i / head_size).
std::vector<float> rotation_table(int64_t positions, int64_t head_size, double theta);

}  // namespace photon::PHOTON_GPU
