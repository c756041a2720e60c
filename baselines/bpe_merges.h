// SPDX-License-Identifier: Apache-2.0
// Byte-pair merges by the rank of a pair, as Hugging Face's tokenizers apply them, against SentencePiece's,
// which go by the score of the piece that a pair becomes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace photon::baselines {

class BpeMerges {
 public:
  /// The next pair in rank: `left` and `right` become `merged`. False if the pair has a rank already.
  bool add(int32_t left, int32_t right, int32_t merged);
  int64_t size() const { return count_; }

  /// How the symbols of a piece come together where nothing else is: the rank of the last merge if one symbol
  /// is left.
  struct Outcome {
    std::vector<int32_t> symbols;  ///< that are left
    std::optional<int64_t> last_rank;
  };
  /// Repeats: merge the adjacent pair of lowest rank, the leftmost of equals. Negative symbols are characters
  /// that no piece is.
  Outcome apply(std::vector<int32_t> symbols) const;

 private:
  struct Merge {
    int64_t rank = 0;
    int32_t merged = 0;
  };
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }

  std::unordered_map<uint64_t, Merge> merges_;
  int64_t count_ = 0;
};

}  // namespace photon::baselines
