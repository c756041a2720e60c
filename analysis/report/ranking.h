// SPDX-License-Identifier: Apache-2.0
// Which model is better, and when that cannot be told: models by bits per byte, with the spread over training
// seeds as the resolution of the comparison. A seed's spread says nothing about a batch or a rate that suits
// one side: a verdict is one of "these settings" unless every model in it has the best rung of a ladder.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/join/measurements.h"

namespace photon::analysis {

struct Ranked {
  const Quality* quality = nullptr;
  double gap = 0.0;         ///< bits per byte to the next better one; 0 for the first
  double resolution = 0.0;  ///< the larger of the two seed spreads (high - low)
  bool tellable = false;    ///< both have two seeds or more and the gap is at least the resolution
  /// "best", "0.0310 behind NAME", "cannot tell from NAME", "loses to the unigram"; the first two with "at
  /// these settings" where no ladder stands behind them.
  std::string verdict = {};
};

/// The models evaluated on `corpus`, best first, by teacher-forced quality. The qualities must outlive the
/// result.
std::vector<Ranked> rank_models(std::span<const Quality> all, std::span<const Baseline> baselines,
                                const std::string& corpus);

/// One line a pair of neighbours: "A is better than B by 0.031 bits/byte", "A, B: cannot tell (...)".
std::vector<std::string> ranking_statements(std::span<const Ranked> ranked);

/// What a comparison of these trainings has to say with it, a sentence each: runs of fewer than 1,000 steps,
/// runs that differ in steps by more than half, settings that no ladder chose.
std::vector<std::string> training_caveats(std::span<const Ranked> ranked);

/// A network that compresses no better than the frequencies of its tokens has learned nothing. Throws Error
/// naming the models whose mean bits per byte is not below the unigram's on the same corpus, and Error if a
/// corpus that models were scored on has no unigram row: then the rule was not checked.
void require_better_than_unigram(std::span<const ResultRow> rows);

}  // namespace photon::analysis
