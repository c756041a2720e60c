// SPDX-License-Identifier: Apache-2.0
// core's Backend on the device: "cuda" where it is built with the toolkit, "emulated" everywhere.
#pragma once

#include "core/backend/backend.h"
#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

void add_backend(BackendRegistry& registry);

}  // namespace photon::PHOTON_GPU
