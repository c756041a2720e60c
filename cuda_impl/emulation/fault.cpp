// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/fault.h"

#include "cuda_impl/emulation/block.h"

namespace photon::emulation {

std::string place(const std::source_location& where) {
  return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

void fault(const std::string& what) {
  const std::string at = running_place();
  throw EmulationError(at.empty() ? what : at + ": " + what);
}

void misaligned(size_t bytes, const std::source_location& where) {
  fault(place(where) + ": an access of " + std::to_string(bytes) +
        " bytes at an address that is no multiple of " + std::to_string(bytes) + ": a GPU faults");
}

}  // namespace photon::emulation
