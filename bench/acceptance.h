// SPDX-License-Identifier: Apache-2.0
// What a machine is to reach, as a list of cases with the share of its limits that each is held to, and what
// became of it (configs/bench/*.toml; docs/numbers.md has the shares).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/case.h"
#include "bench/sampling.h"
#include "core/results/results.h"

namespace photon::bench {

struct Target {
  std::string what;   ///< "decode DE, vanilla, largest batch"
  std::string model;  ///< key of Acceptance::models
  Regime regime;      ///< of a generation
  Generation generation = Generation::hiergen;
  Schedule schedule = Schedule::streamed;
  int64_t batch = 1;   ///< or sweep_max
  int64_t length = 0;  ///< tokens in a row of a training step
  Recompute recompute = Recompute::none;
  std::string
      measured;  ///< column that is held to at_least: decode_serial_fraction, prefill_mfu, step_mfu ...
  double at_least = 0.0;
  std::optional<double> expected_tokens_per_s;  ///< that share of the floor, where it was worked out before

  bool is_training() const { return measured == "step_mfu"; }
};

struct Acceptance {
  std::string device;
  DType dtype = DType::bfloat16;
  SamplingRule rule;
  /// By the name that targets use: an architecture, or with a word behind it, "photon-small".
  std::map<std::string, std::filesystem::path> models;

  /// Compared with the reference before anything is measured: a generation, or steps of training.
  struct Check {
    std::vector<std::filesystem::path> models;
    int64_t rows = 1;
    int64_t prompt = 0;
    int64_t new_tokens = 0;
    int64_t steps = 0;  ///< of training; 0: a generation is compared
    int64_t length = 0;
    double largest_error = 0.0;  ///< Agreement::relative_error
  };
  Check check;
  std::vector<Target> targets;
};

/// Throws Error as every config does.
Acceptance load_acceptance(const std::filesystem::path& preset);

/// One target and the row that was measured for it; none: why not.
struct Outcome {
  Target target;
  std::optional<ResultRow> row;
  std::string why_not;

  bool reached() const;
};

/// A Markdown table: what, batch, share wanted and reached, tokens/s beside what was expected, verdict.
std::string table(const std::vector<Outcome>& outcomes);

}  // namespace photon::bench
