// SPDX-License-Identifier: Apache-2.0
#include "baselines/bpe_merges.h"

namespace photon::baselines {

bool BpeMerges::add(int32_t left, int32_t right, int32_t merged) {
  return merges_.try_emplace(key(left, right), Merge{count_++, merged}).second;
}

BpeMerges::Outcome BpeMerges::apply(std::vector<int32_t> symbols) const {
  Outcome outcome;
  for (;;) {
    const Merge* best = nullptr;
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      if (symbols[i] < 0 || symbols[i + 1] < 0) continue;
      const auto found = merges_.find(key(symbols[i], symbols[i + 1]));
      if (found == merges_.end() || (best != nullptr && found->second.rank >= best->rank)) continue;
      best = &found->second;
      at = i;
    }
    if (best == nullptr) break;
    symbols[at] = best->merged;
    symbols.erase(symbols.begin() + static_cast<int64_t>(at) + 1);
    outcome.last_rank = best->rank;
  }
  if (symbols.size() != 1) outcome.last_rank.reset();
  outcome.symbols = std::move(symbols);
  return outcome;
}

}  // namespace photon::baselines
