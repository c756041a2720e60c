// SPDX-License-Identifier: Apache-2.0
// What floors rest on.
#pragma once

#include <cstdint>

namespace photon {

/// What the machine can do at most, measured on random data in this process.
struct Ceilings {
  double read_bandwidth = 0.0;   ///< bytes/s over memory
  double copy_bandwidth = 0.0;   ///< bytes/s over memory, read + written
  double bandwidth = 0.0;        ///< the larger of the two
  double matrix_rate = 0.0;      ///< FLOP/s of a large product in the model's dtype
  double cache_bandwidth = 0.0;  ///< bytes/s from the last-level cache; 0 where it cannot be told apart
  int64_t cache_bytes = 0;       ///< size of the last-level cache
  double launch_seconds = 0.0;   ///< one operation's launch; 0 on the CPU
  double spread = 0.0;           ///< largest (best - median) / best among them: how steady the machine was
};

}  // namespace photon
