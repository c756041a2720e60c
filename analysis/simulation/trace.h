// SPDX-License-Identifier: Apache-2.0
// Arrivals and lengths as they were recorded: the format of Azure's public LLM inference traces (2023 and
// 2024), a CSV file with the columns TIMESTAMP, ContextTokens and GeneratedTokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "analysis/simulation/request.h"

namespace photon::analysis::simulation {

struct Trace {
  std::vector<Request> requests;  ///< arrivals in seconds after the first line's
  int64_t left_out = 0;           ///< lines with no token in or none out: requests that failed
};

/// Reads a trace, plain or .zst; columns in any order, others ignored. Throws Error with file and line on a
/// missing column, a time that is none or lies before the one above, a length that is no number, negative or
/// above longest_text, and on a trace without a request.
Trace read_trace(const std::filesystem::path& file);

}  // namespace photon::analysis::simulation
