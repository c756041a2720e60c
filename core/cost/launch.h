// SPDX-License-Identifier: Apache-2.0
// What a device started, in the words of the cost model.
#pragma once

#include <string>

#include "core/cost/cost.h"

namespace photon {

/// One op that a run started on a device, as a profiler finds it: in the NVTX ranges of `scope`, then of
/// `op`.
struct Launch {
  std::string scope;  ///< "photon-600m de/decode/meta-context/encoder 2"
  std::string op;
  std::string file;  ///< of its launcher, from the root
  Work work;
};

}  // namespace photon
