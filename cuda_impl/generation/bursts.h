// SPDX-License-Identifier: Apache-2.0
// New tokens on their way to the host: two places, so that one is read while the next is made.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cuda_impl/device/arena.h"
#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

class Bursts {
 public:
  /// Tokens of one row, and where they stand in its text; first < 0: none.
  struct Span {
    int64_t first = -1;
    int64_t tokens = 0;
    const int32_t* ids = nullptr;
    const float* log_probs = nullptr;
  };
  /// Copies that are under way.
  struct Pending {
    int slot = 0;
    std::vector<int64_t> first;  ///< a row: position of its first token, -1: none
  };

  Bursts();
  ~Bursts();
  Bursts(const Bursts&) = delete;
  Bursts& operator=(const Bursts&) = delete;

  /// Room for so many tokens of so many rows.
  void place(int64_t rows, int64_t tokens);
  /// Starts to copy what lies on the device, ids and log probabilities (rows, tokens) each.
  Pending read(Stream& stream, const int32_t* ids, const float* log_probs, std::vector<int64_t> first);
  /// Waits for a copy.
  void wait(const Pending& pending) const;
  /// What it brought of one row.
  Span of(const Pending& pending, int64_t row) const;

 private:
  const int32_t* ids(int slot) const {
    return static_cast<const int32_t*>(memory_.data()) + slot * 2 * count();
  }
  int64_t count() const { return rows_ * tokens_; }

  int64_t rows_ = 0;
  int64_t tokens_ = 0;
  PinnedBuffer memory_;  // two places: ids, then log probabilities
  int next_ = 0;
  cudaEvent_t ready_[2] = {nullptr, nullptr};
};

}  // namespace photon::PHOTON_GPU
