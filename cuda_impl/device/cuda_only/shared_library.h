// SPDX-License-Identifier: Apache-2.0
// A library of the machine's CUDA installation or driver, loaded when it is first needed, so that the program
// starts where it is absent.
#pragma once

#include <string>
#include <vector>

namespace photon::cuda {

class SharedLibrary {
 public:
  /// Tries each file in turn, by the loader's rules (LD_LIBRARY_PATH, ldconfig). Throws Error naming what was
  /// tried and, in `remedy`'s words, what would help.
  SharedLibrary(const std::vector<std::string>& files, const std::string& remedy);

  /// Throws Error if the library has no such function: it is another version.
  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(address(name));
  }

 private:
  void* address(const char* name) const;

  void* handle_ = nullptr;  ///< stays open: what it handed out may be called until the program ends
  std::string file_;
};

}  // namespace photon::cuda
