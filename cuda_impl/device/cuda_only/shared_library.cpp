// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/device/cuda_only/shared_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "core/base/error.h"

namespace photon::cuda {

SharedLibrary::SharedLibrary(const std::vector<std::string>& files, const std::string& remedy) {
  std::string tried;
  for (const std::string& file : files) {
    handle_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) {
      file_ = file;
      return;
    }
    tried += fmt::format("\n  {}", dlerror());
  }
  throw Error(fmt::format("cannot load {}: {}; tried:{}", files.front(), remedy, tried));
}

void* SharedLibrary::address(const char* name) const {
  void* found = dlsym(handle_, name);
  if (found == nullptr) {
    throw Error(fmt::format("{} has no function {}: it is of another version than photon was built for",
                            file_, name));
  }
  return found;
}

}  // namespace photon::cuda
