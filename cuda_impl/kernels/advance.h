// SPDX-License-Identifier: Apache-2.0
// The end of a meta-context: its tokens are laid out for the host, and every row moves on to the next, or
// falls idle where it has what it was asked for.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/token_rows.h"

namespace photon::PHOTON_GPU {

struct Advance {
  TokenRows rows;
  int64_t count = 0;                 ///< rows
  int32_t first = 0;                 ///< a burst begins at start + first
  int32_t tokens = 1;                ///< of a burst
  int32_t step = 0;                  ///< tokens by which a row moves on: its meta-context, or 0
  int32_t* burst = nullptr;          ///< (rows, tokens)
  float* burst_log_probs = nullptr;  ///< the same
};

Work advance_work(const Advance& a);
void advance(Stream& stream, const Advance& a);

}  // namespace photon::PHOTON_GPU
