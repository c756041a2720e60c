// SPDX-License-Identifier: Apache-2.0
// Hierarchies: some layers work on every token, others on one unit for every few tokens. A unit is encoded
// when its last token is known; its layers then read the units before it. Local caches within a unit do not
// grow and are left out, as everywhere in this project.
//
// Block Transformer (Ho et al., arXiv 2406.02657, section 2): half the layers over blocks of tokens, the
// other half within a block. MEGABYTE (Yu et al., arXiv 2305.07185, section 2): a global model over patches,
// a local one within a patch; without prefix vectors, but the same growing cache; at the base's width here.
// Hourglass (Nawrot et al., arXiv 2110.13711, section 2): full layers, layers over units of k tokens, full
// layers. Funnel (Dai et al., arXiv 2006.03236, section 2.2): each block of layers at half the length of the
// one before, then a few full layers; made causal as in Hourglass, for by itself it generates nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/alternatives/head_cache.h"

namespace photon::analysis::alternatives {

struct Shortened {
  struct Stage {
    int64_t layers = 0;
    int64_t shortening = 1;  ///< tokens in a unit
  };
  HeadCache layer;  ///< of one layer
  std::vector<Stage> stages;

  double held(int64_t tokens) const;
  Moved step(int64_t tokens) const;
};

// Of as many layers as `base`; fewer than four cannot be divided so.
Shortened block_transformer(HeadCache base, int64_t block);
Shortened megabyte(HeadCache base, int64_t patch);
Shortened hourglass(HeadCache base,
                    int64_t shortening);  ///< a quarter of the layers full, half of them, a quarter
Shortened funnel(HeadCache base);         ///< thirds at 1, 1/2, 1/4 of the length; two full layers

}  // namespace photon::analysis::alternatives
