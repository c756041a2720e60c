// SPDX-License-Identifier: Apache-2.0
// Landmark attention (Mohtashami and Jaggi, arXiv 2305.16300, section 3): a landmark token after every block
// of tokens, trained to stand for it. A query reads what lies near in full, the keys of all landmarks, and of
// the blocks before those that its head picks by them. All tokens are kept; how many are read at most does
// not grow, but the landmarks do. Near is what has no whole block before the last `window` tokens, so that no
// token is out of reach. The paper trains with blocks of 50 tokens and retrieves 2 or 4.
#pragma once

#include <algorithm>
#include <cstdint>

#include "analysis/alternatives/head_cache.h"

namespace photon::analysis::alternatives {

struct Landmarks {
  HeadCache full;
  int64_t block = 50;     ///< tokens, the landmark not counted
  int64_t retrieved = 4;  ///< blocks for each head and query
  int64_t window = 0;     ///< latest tokens read in full, the new one among them; from 1

  double held(int64_t tokens) const { return full.held(tokens + tokens / block); }
  Moved step(int64_t tokens) const {
    const int64_t far = std::max<int64_t>(0, tokens - (window - 1)) / block;
    const double keys = 0.5 * full.held(tokens / block);
    const bool completes = (tokens + 1) % block == 0;
    return {full.held(tokens - far * block + std::min(retrieved, far) * block) + keys,
            (completes ? 2.0 : 1.0) * full.token_bytes()};
  }
};

}  // namespace photon::analysis::alternatives
