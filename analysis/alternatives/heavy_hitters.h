// SPDX-License-Identifier: Apache-2.0
// Eviction by accumulated attention (H2O, Zhang et al., arXiv 2306.14048, section 4, Algorithm 1): a budget
// of tokens, half heavy hitters, half the latest; the new token attends to all that is kept, then one of them
// goes and the new one takes its place. Each KV head evicts by itself and needs the sum of the attention that
// each of its kept tokens has received, a number that every step reads and writes (the paper does not say how
// wide; four bytes here). The paper's budget is a fifth of the context. What was evicted is lost.
#pragma once

#include <algorithm>
#include <cstdint>

#include "analysis/alternatives/head_cache.h"

namespace photon::analysis::alternatives {

struct HeavyHitters {
  HeadCache full;
  int64_t budget = 0;  ///< tokens kept, from 1
  int64_t score_bytes = 4;

  double held(int64_t tokens) const { return full.held(kept(tokens)) + scores(kept(tokens)); }
  Moved step(int64_t tokens) const { return {held(tokens), full.token_bytes() + scores(kept(tokens + 1))}; }

 private:
  int64_t kept(int64_t tokens) const { return std::min(tokens, budget); }
  double scores(int64_t tokens) const {
    return static_cast<double>(tokens * full.layers * full.kv_heads * score_bytes);
  }
};

}  // namespace photon::analysis::alternatives
