// SPDX-License-Identifier: Apache-2.0
// What of the program's and its libraries' code is on the device. CUDA loads a kernel when it is first
// needed, not when the program starts, and a kernel of cuBLASLt likewise.
#pragma once

#include <string>

#include "cuda_impl/emulation/error_codes.h"

namespace photon::emulation {

/// Loads the code of this name unless it is there. Refused, and captures are spoiled, while a stream is being
/// captured: whether CUDA does so depends on the driver and on the settings of lazy loading.
emulated::cudaError_t load_code(const std::string& name);

/// As long as the program lives, a kernel is at one address.
std::string code_name(const void* function);

}  // namespace photon::emulation
