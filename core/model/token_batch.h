// SPDX-License-Identifier: Apache-2.0
// Texts of equal length, side by side.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace photon {

/// (sequences, length) token ids, row major.
struct TokenBatch {
  int64_t sequences = 0;
  int64_t length = 0;
  std::vector<int32_t> ids;

  std::span<const int32_t> sequence(int64_t b) const {
    return {ids.data() + b * length, static_cast<size_t>(length)};
  }
};

}  // namespace photon
