// SPDX-License-Identifier: Apache-2.0
#include "analysis/join/row_link.h"

#include <fmt/format.h>

namespace photon::analysis {

std::string row_link(size_t index) {
  return fmt::format("#row-{}", index);
}

std::string paper_row_link(size_t index) {
  return fmt::format("#paper-{}", index);
}

std::string simulated_row_link(size_t index) {
  return fmt::format("#simulated-{}", index);
}

const char* const above_one_text =
    "Above 1 is no error: a floor or a utilisation bills every read of weights and caches to memory, at the "
    "bandwidth and matrix rate measured just before, and what stays in the processor’s cache comes faster.";

}  // namespace photon::analysis
