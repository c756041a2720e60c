// SPDX-License-Identifier: Apache-2.0
// The cache of multi-head, grouped-query and multi-query attention: the key and the value of every token,
// layer and KV head. Multi-head: Vaswani et al., arXiv 1706.03762, section 3.2.2. Multi-query, one KV head:
// Shazeer, arXiv 1911.02150, section 3. Grouped-query, a KV head for each group of query heads: Ainslie et
// al., arXiv 2305.13245, section 2.2. Elements a token: 2 · KV heads · head size · layers (DeepSeek-V2, arXiv
// 2405.04434, Table 1).
#pragma once

#include <cstdint>

namespace photon::analysis::alternatives {

/// Bytes of keys and values that decoding one token moves.
struct Moved {
  double read = 0.0;
  double written = 0.0;
};

// Every cache here tells two things: held(n), bytes of a sample whose context is n tokens; and step(n), what
// decoding the next token moves then. A token sees itself without reading it.

struct HeadCache {
  int64_t layers = 0;
  int64_t kv_heads = 0;
  int64_t head_size = 0;
  int64_t element_bytes = 2;

  /// Of one token, key and value.
  double token_bytes() const {
    return 2.0 * static_cast<double>(layers * kv_heads * head_size * element_bytes);
  }
  double held(int64_t tokens) const { return static_cast<double>(tokens) * token_bytes(); }
  Moved step(int64_t tokens) const { return {held(tokens), token_bytes()}; }
};

}  // namespace photon::analysis::alternatives
