// SPDX-License-Identifier: Apache-2.0
// Where a cache lies (PagedAttention, Kwon et al., arXiv 2309.06180; contiguous: section 3.1, pages:
// sections 4.1 to 4.3). Contiguous memory is reserved for the longest request that may come; in pages a
// sample wastes what is left of its last one, half a page on average. Neither changes what a step reads: the
// tokens.
#pragma once

#include <cstdint>

#include "analysis/alternatives/head_cache.h"

namespace photon::analysis::alternatives {

struct Contiguous {
  HeadCache full;
  int64_t longest = 0;  ///< tokens

  double held(int64_t) const { return full.held(longest); }
  Moved step(int64_t tokens) const { return full.step(tokens); }
};

struct Paged {
  HeadCache full;
  int64_t page = 16;  ///< tokens, from 1

  double held(int64_t tokens) const { return full.held((tokens + page - 1) / page * page); }
  Moved step(int64_t tokens) const { return full.step(tokens); }
  /// Bytes reserved beyond the tokens, over contexts of all lengths.
  double mean_waste() const { return 0.5 * static_cast<double>(page - 1) * full.token_bytes(); }
};

}  // namespace photon::analysis::alternatives
