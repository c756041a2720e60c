// SPDX-License-Identifier: Apache-2.0
// What `photon bench` says on standard error while it measures.
#pragma once

#include <string>

#include "bench/runner.h"

namespace photon::app {

void say(const std::string& line);

/// What a benchmark without --out says before it measures.
inline constexpr const char* kept_nowhere = "no --out FILE.csv: rows are printed and kept nowhere";

void print_ceilings(DType dtype, const Ceilings& c);

/// A row that was just measured, in a sentence.
std::string outcome(const ResultRow& row, const bench::Runner& runner);

}  // namespace photon::app
