// SPDX-License-Identifier: Apache-2.0
// The name of a kernel from its address, for messages.
#pragma once

#include <string>

namespace photon::emulation {

/// "photon::emulated::rms_norm<4>"; the address where the program's symbol table does not name it.
std::string kernel_name(const void* function);

}  // namespace photon::emulation
