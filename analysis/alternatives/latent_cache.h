// SPDX-License-Identifier: Apache-2.0
// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, sections 2.1.2 and 2.1.3, equations 9 and 15;
// Table 1): of a token and layer a compressed latent of d_c numbers, from which keys and values of all heads
// are made, and one rotary key of d_h^R numbers that all heads share. The up-projections are absorbed into
// those of queries and outputs, so a step reads each of them once for all heads. DeepSeek-V2 has d_c = 4 d_h
// and d_h^R = d_h / 2.
#pragma once

#include <cstdint>

#include "analysis/alternatives/head_cache.h"

namespace photon::analysis::alternatives {

struct LatentCache {
  int64_t layers = 0;
  int64_t latent = 0;    ///< d_c
  int64_t rope_key = 0;  ///< d_h^R
  int64_t element_bytes = 2;

  double token_bytes() const { return static_cast<double>(layers * (latent + rope_key) * element_bytes); }
  double held(int64_t tokens) const { return static_cast<double>(tokens) * token_bytes(); }
  Moved step(int64_t tokens) const { return {held(tokens), token_bytes()}; }
};

}  // namespace photon::analysis::alternatives
