// SPDX-License-Identifier: Apache-2.0
// Keys and values in one byte a number. int8: with a scale of two bytes for each group of numbers, made when
// the token is cached (group-wise as in FlexGen, Sheng et al., arXiv 2303.06865, section 5; here symmetric, a
// group is the key or the value of a head). fp8: E4M3 needs no scale a token, but one of four bytes for the
// keys and for the values of each layer and KV head, fixed beforehand (Micikevicius et al., arXiv 2209.05433,
// section 3).
#pragma once

#include <cstdint>

#include "analysis/alternatives/head_cache.h"

namespace photon::analysis::alternatives {

struct RoundedCache {
  int64_t layers = 0;
  int64_t kv_heads = 0;
  int64_t head_size = 0;
  int64_t group = 0;  ///< numbers that share a scale of a token; 0: scales are fixed
  int64_t scale_bytes = 2;

  double token_bytes() const {
    const int64_t scales = group == 0 ? 0 : (head_size + group - 1) / group * scale_bytes;
    return 2.0 * static_cast<double>(layers * kv_heads * (head_size + scales));
  }
  double held(int64_t tokens) const {
    const double fixed = group == 0 ? 2.0 * static_cast<double>(layers * kv_heads * scale_bytes) : 0.0;
    return static_cast<double>(tokens) * token_bytes() + fixed;
  }
  Moved step(int64_t tokens) const { return {held(tokens), token_bytes()}; }
};

}  // namespace photon::analysis::alternatives
