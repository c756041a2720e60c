// SPDX-License-Identifier: Apache-2.0
// Equal memory for architectures of different caches: prompts come whole, so one budget leaves some of them
// with much of it unused, and a ratio of speeds compares different memories. A budget can be found that all
// of them nearly fill.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bench/case.h"

namespace photon::bench {

/// Growing and local caches of one row as the cost model plans them, reserved to the end of the last
/// meta-context.
double planned_bytes_per_row(const Case& c);

struct CacheBudget {
  int64_t bytes = 0;
  double unused = 0.0;  ///< the largest share of it that one of them leaves
};

/// The least budget from `least` to four times that of which whole prompts, of so many bytes in each
/// architecture, leave at most the share `within`; where there is none, the one of which the worst leaves
/// least. Throws Error on sizes below a byte, and where one prompt of some architecture is more than four
/// times `least`.
CacheBudget equal_budget(std::span<const double> prompt_bytes, int64_t least, double within);

/// Raises the cache_bytes of cases, which are all to be given their largest batch, to one equal_budget for
/// all that have regime, element type and samples of a prompt in common. `say` gets a line for each of these
/// groups.
void equalise(std::span<Case* const> cases, double within,
              const std::function<void(const std::string&)>& say);

}  // namespace photon::bench
