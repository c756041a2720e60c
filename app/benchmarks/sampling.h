// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/arguments.h"
#include "bench/sampling.h"

namespace photon::app {

/// --min-samples and --max-seconds; `rule` must live until the command line is parsed.
inline void add_sampling_rule(CommandLine& command, bench::SamplingRule& rule) {
  command.add_option("--min-samples", rule.min_samples, "Before a steady median may end a row")
      .check(in_range(1, 100000))
      .capture_default_str();
  command.add_option("--max-seconds", rule.max_seconds, "Of samples, a row")
      .check(positive_number())
      .capture_default_str();
}

}  // namespace photon::app
