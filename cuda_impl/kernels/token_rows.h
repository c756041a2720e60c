// SPDX-License-Identifier: Apache-2.0
// The tokens of a batch on the device: which positions a launch writes, which of them are given, and where a
// row stands. Shared by what samples tokens and what hands them out.
#pragma once

#include <cstdint>

#include "cuda_impl/kernels/embed.h"

namespace photon::PHOTON_GPU {

struct TokenRows {
  int32_t* tokens = nullptr;   ///< (rows, capacity)
  float* log_probs = nullptr;  ///< (rows, capacity), of the tokens beside them
  int64_t capacity = 0;
  int32_t* start = nullptr;         ///< (rows): first token of the current meta-context, < 0: the row is idle
  const int32_t* known = nullptr;   ///< (rows): tokens before this position are given
  const int32_t* target = nullptr;  ///< (rows): no token is wanted from this position on

  TokenSlots slots(int32_t first, int32_t step) const { return {tokens, capacity, start, first, step}; }
};

}  // namespace photon::PHOTON_GPU
