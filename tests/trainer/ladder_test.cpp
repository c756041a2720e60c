// SPDX-License-Identifier: Apache-2.0
// The choice of batch and rate: a best rung in the middle stands, one at an edge lengthens the ladder.
#include "trainer/ladder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>

#include "core/base/error.h"

namespace photon::trainer {
namespace {

TEST(Ladder, TriesEveryBatchWithEveryRate) {
  const Ladder ladder{{2, 4}, {1e-3, 2e-3}};
  EXPECT_EQ(ladder.rungs(), (std::vector<Rung>{{2, 1e-3}, {2, 2e-3}, {4, 1e-3}, {4, 2e-3}}));
}

TEST(Ladder, TheBestIsTheLeastLossAndNaNIsNone) {
  std::vector<Tried> tried{{{4, 1e-3}, 4.3}, {{2, 1e-3}, 4.2}, {{2, 2e-3}, 4.25}};
  EXPECT_EQ(best_of(tried).rung, (Rung{2, 1e-3}));
  tried[0].loss = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(best_of(tried), Error);
  EXPECT_THROW(best_of({}), std::logic_error);
}

TEST(Ladder, ARungThatDivergedIsTriedAndLost) {
  constexpr double diverged = std::numeric_limits<double>::infinity();
  const std::vector<Tried> tried{{{2, 1e-3}, 4.2}, {{2, 2e-3}, diverged}};
  EXPECT_EQ(best_of(tried).rung, (Rung{2, 1e-3}));
  Ladder ladder = ladder_of(tried);
  EXPECT_EQ(ladder.learning_rates.size(), 2u) << "so that the best is at no edge on its side";
  EXPECT_THROW(best_of(std::span(tried).subspan(1)), Error);
}

TEST(Ladder, ABestInTheMiddleStands) {
  Ladder ladder{{2, 4, 8}, {1e-3, 2e-3, 4e-3}};
  EXPECT_FALSE(extend(ladder, {4, 2e-3}));
  EXPECT_EQ(ladder.rungs().size(), 9u);
}

TEST(Ladder, ABestAtAnEdgeLengthensThatEdgeAlone) {
  Ladder ladder{{2, 4, 8}, {1e-3, 2e-3, 4e-3}};
  EXPECT_TRUE(extend(ladder, {8, 2e-3}));
  EXPECT_EQ(ladder.batches, (std::vector<int64_t>{2, 4, 8, 16}));
  EXPECT_EQ(ladder.learning_rates, (std::vector<double>{1e-3, 2e-3, 4e-3}));
  EXPECT_TRUE(extend(ladder, {2, 4e-3}));
  EXPECT_EQ(ladder.batches, (std::vector<int64_t>{1, 2, 4, 8, 16}));
  EXPECT_EQ(ladder.learning_rates, (std::vector<double>{1e-3, 2e-3, 4e-3, 8e-3}));
  EXPECT_TRUE(extend(ladder, {4, 1e-3}));
  EXPECT_EQ(ladder.learning_rates, (std::vector<double>{5e-4, 1e-3, 2e-3, 4e-3, 8e-3}));
}

TEST(Ladder, ThereIsNoBatchBelowOneSequence) {
  Ladder ladder{{1, 2}, {1e-3, 2e-3, 4e-3}};
  EXPECT_FALSE(extend(ladder, {1, 2e-3}));
  EXPECT_EQ(ladder.batches.front(), 1);
}

TEST(Ladder, ASingleRungIsEveryEdge) {
  Ladder ladder{{4}, {1e-3}};
  EXPECT_TRUE(extend(ladder, {4, 1e-3}));
  EXPECT_EQ(ladder.batches, (std::vector<int64_t>{2, 4, 8}));
  EXPECT_EQ(ladder.learning_rates, (std::vector<double>{5e-4, 1e-3, 2e-3}));
}

TEST(Ladder, IsKnownFromWhatWasTried) {
  const std::vector<Tried> tried{{{4, 2e-3}, 1.0}, {{2, 1e-3}, 1.0}, {{4, 1e-3}, 1.0}};
  const Ladder ladder = ladder_of(tried);
  EXPECT_EQ(ladder.batches, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(ladder.learning_rates, (std::vector<double>{1e-3, 2e-3}));
}

}  // namespace
}  // namespace photon::trainer
