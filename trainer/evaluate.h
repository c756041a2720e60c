// SPDX-License-Identifier: Apache-2.0
// The quality of a trained model on a text: negative log-likelihood of its tokens in windows, perplexity and
// bits per byte (docs/numbers.md), under teacher forcing or under the recgen generation (PHOTON, appendix
// A).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/backend/backend.h"

namespace photon::trainer {

/// Sums over scored tokens.
struct Score {
  double nll = 0.0;  ///< nats
  int64_t tokens = 0;
  std::optional<int64_t> bytes;  ///< of text that the scored tokens stand for, where that is known of each
  int64_t windows = 0;           ///< that have scored tokens
  /// Standard errors of token_nll and bits_per_byte as of another text of this length from the same source:
  /// of ratios over windows, whose tokens depend on one another. None of a single window.
  std::optional<double> token_nll_error = {};
  std::optional<double> bits_per_byte_error = {};

  double token_nll() const { return nll / static_cast<double>(tokens); }
  double perplexity() const;
  std::optional<double> perplexity_error() const;  ///< to first order
  std::optional<double> bits_per_byte() const;
};

struct ScoreOptions {
  int64_t context = 0;  ///< T, a multiple of the meta-context
  int64_t stride = 0;   ///< tokens between windows, a multiple of the meta-context, at most T; 0 is T
  int64_t batch = 8;    ///< windows that go through the model together
};

/// Bytes of text that each token of a text stands for, below 0 where that is not known; none at all are given
/// where it is known of none. Of the text itself, not of what a tokenizer made of it: so bits per byte
/// compare.
using TokenBytes = std::vector<int32_t>;

/// A window of `context` tokens starts every `stride` tokens; of each, the tokens that no earlier window
/// scored are scored, never the window's first, which nothing precedes. The last window is padded on the
/// right. With the default stride these are tokens 2..T of each window, as in training. `bytes` are empty or
/// as many as tokens. Throws Error on options that do not fit the model or on fewer than two tokens.
Score score(InferenceModel& model, std::span<const int32_t> tokens, const ScoreOptions& options,
            const TokenBytes& bytes, const std::function<void(int64_t done, int64_t total)>& progress = {});

struct GenerationScores {
  Score recgen;
  Score hiergen;  ///< of the same tokens
  /// Standard error of recgen's token_nll above hiergen's, which is smaller than that of either: a hard text
  /// is hard for both.
  std::optional<double> difference_error;
};

/// Each whole window of `context` tokens: its first `prompt` are the prompt, the rest is forced through
/// recgen, whose log-probabilities are summed, beside the teacher-forced ones of the same tokens. Throws
/// Error unless the model has two levels, the prompt leaves something to score and there is a whole window.
GenerationScores score_recgen(InferenceModel& model, std::span<const int32_t> tokens,
                              const ScoreOptions& options, int64_t prompt, Schedule schedule,
                              const TokenBytes& bytes,
                              const std::function<void(int64_t done, int64_t total)>& progress = {});

}  // namespace photon::trainer
