// SPDX-License-Identifier: Apache-2.0
// The table a run ends with: every model that was trained or measured, its size and training, its quality,
// its speed in both regimes and what its cache costs, and whether its rank can be told.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/join/measurements.h"

namespace photon::analysis {

struct SummaryLine {
  std::string model, method;  ///< method: architecture with its generation and schedule
  std::string match;          ///< flops or tokens
  std::optional<double> parameters, training_tokens, training_flops;
  std::optional<double> training_steps, training_batch, learning_rate;
  Spread bits_per_byte;
  struct Regime {
    std::optional<double> throughput;  ///< tokens/s
    std::optional<double> kv_ideal;    ///< bytes a sample
    std::optional<double> tpm_ideal;   ///< K tokens/s/GiB
    int64_t batch = 0;
  };
  Regime pf, de;
  std::string verdict;
};

/// One line a model and way of generating, best quality first, models without quality last. The verdict is
/// that of the first corpus.
std::vector<SummaryLine> summarize(std::span<const ResultRow> rows);

/// As aligned text for a terminal, at most 120 columns wide where names allow it: what was trained and how
/// well, how fast it is, the baselines, what could and could not be told.
std::string summary_text(std::span<const ResultRow> rows);

}  // namespace photon::analysis
