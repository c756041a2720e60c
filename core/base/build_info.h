// SPDX-License-Identifier: Apache-2.0
// What this program was built from and how: `photon --version`, and the reports that name their program.
#pragma once

#include <string>

namespace photon {

struct BuildInfo {
  std::string version;
  std::string commit;      ///< "unknown" outside a git checkout
  bool dirty = false;      ///< the tree had changes that are in no commit
  std::string build_type;  ///< CMake's: Release, Debug, ...
  bool native = false;     ///< uses every instruction of the machine that built it
  bool optimised = false;  ///< by the compiler; figures of a build that was not mean nothing
  std::string sanitizers;  ///< "" without
  std::string cuda;        ///< "CUDA 13.0.88 for 90a"; "" without that back end
};

BuildInfo build_info();

}  // namespace photon
