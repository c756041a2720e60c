// SPDX-License-Identifier: Apache-2.0
// What a fuzz target promises for every input; a broken promise ends the program, which a fuzzer reports.
#pragma once

#include <fmt/format.h>

#include <cstdlib>

namespace photon::testing {

inline void require(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "broken promise: {}\n", what);
  std::abort();
}

}  // namespace photon::testing
