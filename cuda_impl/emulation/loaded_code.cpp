// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/loaded_code.h"

#include <unordered_set>

#include "cuda_impl/emulation/runtime.h"

namespace photon::emulation {
namespace {

std::unordered_set<std::string> loaded;

}  // namespace

emulated::cudaError_t load_code(const std::string& name) {
  if (loaded.contains(name)) return emulated::cudaSuccess;
  if (spoils_capture()) return returned(emulated::cudaErrorStreamCaptureUnsupported);
  loaded.insert(name);
  return emulated::cudaSuccess;
}

std::string code_name(const void* function) {
  return {reinterpret_cast<const char*>(&function), sizeof(function)};
}

}  // namespace photon::emulation

namespace photon::emulated {

void forget_loaded_code() {
  emulation::loaded.clear();
}

}  // namespace photon::emulated
