// SPDX-License-Identifier: Apache-2.0
// Ranges of the project's NVTX domain, for Nsight Systems and Nsight Compute; nothing in the emulated build.
#pragma once

#include "cuda_impl/host.h"

namespace photon::PHOTON_GPU {

/// Opens a range of domain `photon`; its category is the level (0: of no level).
void nvtx_push(const char* name, int level);
void nvtx_pop();

}  // namespace photon::PHOTON_GPU
