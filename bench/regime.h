// SPDX-License-Identifier: Apache-2.0
// What is asked of a model: the paper's two regimes, prefill-heavy and decode-heavy, whole or scaled down, or
// lengths of one's own (PHOTON, section 4; docs/numbers.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace photon::bench {

struct Regime {
  std::string name;  ///< "pf", "de", "pf/8" or "custom"
  int64_t prompt = 0;
  int64_t new_tokens = 0;
  bool operator==(const Regime&) const = default;
};

/// `pf`, `de`, each with `/k` where k divides both lengths, separated by commas. Throws UsageError.
std::vector<Regime> parse_regimes(std::string_view text);

}  // namespace photon::bench
