// SPDX-License-Identifier: Apache-2.0
// Samples of one prompt that keep it once (PagedAttention, Kwon et al., arXiv 2309.06180, section 4.4) and
// read it once for all of them (Hydragen, Juravsky et al., arXiv 2402.05099, section 3). Bytes are a sample's
// share. The same rule as `samples` of core/cost.
#pragma once

#include <algorithm>
#include <cstdint>

#include "analysis/alternatives/head_cache.h"

namespace photon::analysis::alternatives {

struct SharedPrefix {
  HeadCache full;
  int64_t prefix = 0;  ///< tokens
  int64_t samples = 1;

  double held(int64_t tokens) const {
    const int64_t shared = std::min(tokens, prefix);
    return full.held(shared) / static_cast<double>(samples) + full.held(tokens - shared);
  }
  Moved step(int64_t tokens) const { return {held(tokens), full.token_bytes()}; }
};

}  // namespace photon::analysis::alternatives
