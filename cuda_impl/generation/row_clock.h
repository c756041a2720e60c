// SPDX-License-Identifier: Apache-2.0
// Where every row stands, on the host: a mirror of the device's `start`, moved on as the device moves it, so
// that nothing has to be asked. From it follow the cache rows a step reads and writes
// (core/model/generation.h).
#pragma once

#include <cstdint>
#include <vector>

#include "core/model/generation.h"
#include "cuda_impl/kernels/cache_view.h"
#include "cuda_impl/kernels/decode_attention.h"

namespace photon::PHOTON_GPU {

/// A step of one level's encoder: `units` new ones a row, `offset` into the current meta-context.
struct EncoderStep {
  int level = 0;
  int32_t tokens_per_unit = 1;
  int32_t offset = 0;
  int32_t units = 1;
  VisibleUnits visible;
};

class RowClock {
 public:
  RowClock() = default;
  /// start: a row's first token position, -1 for a row that has nothing to do; target: where it ends.
  RowClock(std::vector<int64_t> start, std::vector<int64_t> target, int64_t samples);

  int64_t start(int64_t row) const { return start_[row]; }
  bool idle(int64_t row) const { return start(row) < 0; }
  bool all_idle() const;
  /// The row takes part no more: its text has ended.
  void finish(int64_t row) { start_[row] = -1; }
  /// Every row that is not idle moves on, and falls idle at its target.
  void advance(int64_t tokens);

  /// Of one layer. prompt_units: units of each prompt that prefill ran through.
  CacheTraffic traffic(const EncoderStep& step, const std::vector<int64_t>& prompt_units) const;

 private:
  std::vector<int64_t> start_;
  std::vector<int64_t> target_;
  int64_t samples_ = 1;
};

}  // namespace photon::PHOTON_GPU
