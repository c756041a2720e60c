// SPDX-License-Identifier: Apache-2.0
#include "baselines/ngram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/base/error.h"
#include "core/text/corpus.h"
#include "core/text/markov.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

using testing::TempFolder;
using testing::test_seed;

TEST(Ngram, ProbabilitiesSumToOneWhateverTheContext) {
  std::mt19937_64 random(test_seed());
  for (const int32_t vocab : {3, 37, 150}) {
    std::vector<int32_t> tokens(2001);
    // Skewed, so that some tokens are rare and some never seen.
    std::geometric_distribution<int32_t> draw(std::min(0.5, 5.0 / vocab));
    for (int32_t& t : tokens) t = std::min(draw(random), vocab - 1);
    const KneserNeyTrigram trigram(tokens, vocab);
    const Unigram unigram(tokens, vocab);
    std::uniform_int_distribution<int32_t> any(0, vocab - 1);
    for (int trial = 0; trial < 50; ++trial) {
      const int32_t u = any(random);
      const int32_t v = any(random);
      std::array<double, 4> sums{};
      for (int32_t w = 0; w < vocab; ++w) {
        const std::array<double, 4> p = {unigram.probability(w), trigram.probability(w),
                                         trigram.probability(v, w), trigram.probability(u, v, w)};
        for (size_t i = 0; i < p.size(); ++i) {
          ASSERT_GT(p[i], 0.0);
          sums[i] += p[i];
        }
      }
      for (const double sum : sums) ASSERT_NEAR(sum, 1.0, 1e-12);
    }
  }
}

/// Worked by hand on "0 1 2 0 1 2 0 1 3": trigrams 012 and 120, 201 twice, 013 once.
TEST(Ngram, SmallCase) {
  const std::vector<int32_t> tokens = {0, 1, 2, 0, 1, 2, 0, 1, 3};
  const KneserNeyTrigram model(tokens, 4);
  // n1 = 1, n2 = 3: Y = 1/7, D1 = 1 - 2/7·3 = 1/7, D2 = 2 - 0 = 2 for lack of threes.
  const double seen = (2.0 - 2.0) / 3.0;
  const double once = (1.0 - 1.0 / 7.0) / 3.0;
  const double rest = (2.0 + 1.0 / 7.0) / 3.0;
  EXPECT_NEAR(model.probability(0, 1, 2), seen + rest * model.probability(1, 2), 1e-15);
  EXPECT_NEAR(model.probability(0, 1, 3), once + rest * model.probability(1, 3), 1e-15);
  EXPECT_NEAR(model.probability(3, 3, 2), model.probability(2), 1e-15);  // nothing ever followed a 3
}

TEST(Ngram, ReachesTheEntropyOfAMarkovSource) {
  const uint64_t seed = test_seed();
  const MarkovWords source(seed, 24);
  const auto train = source.walk(0, 400'000);
  const auto test = source.walk(1, 50'000);
  const KneserNeyTrigram trigram(train, source.states());
  const Unigram unigram(train, source.states());
  double trigram_bits = 0.0;
  double unigram_bits = 0.0;
  double ideal_bits = 0.0;
  for (size_t i = 2; i < test.size(); ++i) {
    trigram_bits -= std::log2(trigram.probability(test[i - 2], test[i - 1], test[i]));
    unigram_bits -= std::log2(unigram.probability(test[i]));
    ideal_bits -= std::log2(source.probability(test[i - 1], test[i]));
  }
  const double n = static_cast<double>(test.size() - 2);
  EXPECT_NEAR(ideal_bits / n, source.entropy_per_word(), 0.05);
  EXPECT_GT(trigram_bits / n, ideal_bits / n - 1e-6);
  EXPECT_LT(trigram_bits / n, ideal_bits / n + 0.05);
  EXPECT_GT(unigram_bits / n, trigram_bits / n);
}

TEST(Ngram, RefusesTextsThatAreTooSmallOrTooWide) {
  const std::vector<int32_t> tokens = {0, 1, 0};
  EXPECT_THROW(KneserNeyTrigram(std::span(tokens).first(2), 2), Error);
  EXPECT_THROW(KneserNeyTrigram(tokens, int64_t{1} << 22), Error);
}

TEST(TextBaselines, RowsOfACorpus) {
  const TempFolder folder;
  CorpusConfig config;
  config.sources = {"markov"};
  config.markov_bytes = 300'000;
  config.vocab = 400;
  config.out = folder / "corpus";
  const CorpusSummary corpus = build_corpus(config);
  const std::vector<std::string> argv = {"test"};
  const auto rows = text_baselines(config.out, "markov", argv);
  ASSERT_GE(rows.size(), 2u);
  for (const ResultRow& row : rows) {
    EXPECT_EQ(row.text("kind"), "baseline");
    EXPECT_EQ(row.text("corpus"), "markov");
    EXPECT_GT(*row.number("bits_per_byte"), *corpus.entropy_rate);
    EXPECT_LT(*row.number("bits_per_byte"), 8.0);
  }
  EXPECT_EQ(rows[0].text("model"), "unigram");
  EXPECT_EQ(rows[1].text("model"), "kneser-ney-trigram");
  EXPECT_EQ(rows[0].number("tokens_scored"), static_cast<double>(corpus.of(Split::test).tokens - 1));
  EXPECT_NEAR(*rows[1].number("bytes_scored"), static_cast<double>(corpus.of(Split::test).bytes), 20.0);
  EXPECT_LT(*rows[1].number("token_nll"), *rows[0].number("token_nll"));
  if (rows.size() == 3) {
    EXPECT_EQ(rows[2].text("model"), "xz -9");
    EXPECT_TRUE(rows[2].empty("token_nll"));
    EXPECT_EQ(*rows[2].number("bytes_scored"), static_cast<double>(corpus.of(Split::test).bytes));
  }
}

}  // namespace
}  // namespace photon
