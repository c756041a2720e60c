// SPDX-License-Identifier: Apache-2.0
// Text models that are no networks, scored on the tokens that the networks are scored on: what a trained
// model has to beat. Unigram with one added to every count, trigram with interpolated modified Kneser-Ney
// smoothing (Chen and Goodman 1998), and the size that xz makes of the text.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/results/results.h"

namespace photon {

class Unigram {
 public:
  Unigram(std::span<const int32_t> tokens, int64_t vocab);
  double probability(int32_t w) const;

 private:
  std::vector<int64_t> counts_;
  double total_;
};

/// Probabilities of the next token given none, one or two before it; they sum to 1 over the vocabulary and
/// are above 0. 24 bytes a training token while it is made.
class KneserNeyTrigram {
 public:
  /// Throws Error on an empty text and on vocabularies above 2^21.
  KneserNeyTrigram(std::span<const int32_t> tokens, int64_t vocab);

  double probability(int32_t w) const;
  double probability(int32_t v, int32_t w) const;
  double probability(int32_t u, int32_t v, int32_t w) const;

 private:
  /// n-grams of one order, sorted, with what their contexts need. A key holds 21 bits a token, the last one
  /// lowest.
  struct Order {
    struct Context {
      double total = 0.0;
      double left_over = 0.0;  ///< probability that goes to the lower order
    };

    void count(std::vector<uint64_t> grams);
    /// Discounts from the counts of counts, then the contexts.
    void finish();
    double discounted(uint64_t key) const;
    const Context* context(uint64_t key) const;  ///< of n-grams whose key without the last token this is
    double interpolate(uint64_t context_key, uint64_t key, double lower) const;

    std::vector<uint64_t> keys;
    std::vector<uint32_t> counts;
    std::vector<uint64_t> context_keys;
    std::vector<Context> contexts;
    std::array<double, 3> discount{};  ///< of counts 1, 2, and 3 or more
  };

  int64_t vocab_;
  std::array<Order, 3> orders_;  ///< unigrams, bigrams, trigrams
};

/// Rows of kind "baseline" (unigram, kneser-ney-trigram, xz -9) of a corpus folder: trained on train.tokens
/// (its first 20 million tokens, if it has more), scored on test.tokens, each token but the first of the
/// file. Without xz its row is missing, which standard error says. `corpus` names the text in the rows.
std::vector<ResultRow> text_baselines(const std::filesystem::path& folder, const std::string& corpus,
                                      std::span<const std::string> argv);

}  // namespace photon
