// SPDX-License-Identifier: Apache-2.0
// Which stretch of the training tokens a sequence is: a function of (seed, number of the sequence) alone, so
// that the data position of a run is its step and nothing needs to be stored. Every epoch goes once through
// all windows of `context` tokens, in an order of its own and with window borders shifted by an offset of its
// own.
#pragma once

#include <cstdint>

#include "core/base/random.h"

namespace photon::trainer {

class DataOrder {
 public:
  /// Throws Error if `tokens` is less than one window of `context`.
  DataOrder(uint64_t seed, int64_t tokens, int64_t context);

  int64_t windows_per_epoch() const { return windows_; }

  /// First token of sequence `sequence` (from 0) of the run.
  int64_t start(int64_t sequence) const;

 private:
  uint64_t permute(uint64_t epoch, uint64_t index) const;

  Philox philox_;
  int64_t context_ = 0;
  int64_t windows_ = 0;
  int64_t slack_ = 0;  ///< largest shift of the borders
  int half_bits_ = 1;  ///< of the Feistel network
};

}  // namespace photon::trainer
