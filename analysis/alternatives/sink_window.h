// SPDX-License-Identifier: Apache-2.0
// A sliding window with attention sinks (StreamingLLM, Xiao et al., arXiv 2309.17453, section 3.2): the first
// few tokens stay for ever, of the others the latest; room for the new token is made before it is decoded.
// Without sinks it is plain windowed attention. What has left the window is lost.
#pragma once

#include <algorithm>
#include <cstdint>

#include "analysis/alternatives/head_cache.h"

namespace photon::analysis::alternatives {

struct SinkWindow {
  HeadCache full;
  int64_t sinks = 4;
  int64_t window = 0;  ///< latest tokens, the new one among them; from 1

  double held(int64_t tokens) const { return full.held(std::min(tokens, sinks + window)); }
  Moved step(int64_t tokens) const {
    return {full.held(std::min(tokens, sinks + window - 1)), full.token_bytes()};
  }
};

}  // namespace photon::analysis::alternatives
