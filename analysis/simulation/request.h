// SPDX-License-Identifier: Apache-2.0
// What the simulator serves: requests with a time of arrival, a prompt and an answer. Answers have the length
// that the request asks for; nothing in here knows a model.
#pragma once

#include <cstdint>

namespace photon::analysis::simulation {

struct Request {
  double arrival = 0.0;  ///< seconds
  int64_t prompt = 0;    ///< tokens in, from 1
  int64_t answer = 0;    ///< tokens out, each sample, from 1
};

/// Tokens that a prompt or an answer has at most.
inline constexpr int64_t longest_text = int64_t{1} << 24;
/// Requests of one simulation at most.
inline constexpr int64_t most_requests = int64_t{1} << 25;

}  // namespace photon::analysis::simulation
