// SPDX-License-Identifier: Apache-2.0
// Data order, learning-rate schedule and the loss-spike warning.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "core/base/error.h"
#include "core/base/random.h"
#include "trainer/data_order.h"
#include "trainer/loss_spike.h"
#include "trainer/schedule.h"

namespace photon::trainer {
namespace {

TEST(DataOrder, AnEpochIsEveryWindowOnceWithoutOverlap) {
  for (const int64_t context : {2, 16, 96}) {
    for (const int64_t tokens :
         {context, context + 1, 2 * context - 1, 2 * context, 7 * context + 3, 40 * context}) {
      const DataOrder order(5, tokens, context);
      const int64_t windows = order.windows_per_epoch();
      ASSERT_GE(windows, 1);
      ASSERT_GE(windows, tokens / context - 1);
      for (int64_t epoch = 0; epoch < 3; ++epoch) {
        std::set<int64_t> starts;
        for (int64_t i = 0; i < windows; ++i) {
          const int64_t start = order.start(epoch * windows + i);
          ASSERT_GE(start, 0);
          ASSERT_LE(start + context, tokens);
          starts.insert(start);
        }
        ASSERT_EQ(static_cast<int64_t>(starts.size()), windows) << context << " " << tokens;
        ASSERT_EQ(*starts.rbegin() - *starts.begin(), (windows - 1) * context)
            << "windows overlap or leave gaps";
      }
    }
  }
}

TEST(DataOrder, DependsOnSeedAndEpochAndOnNothingElse) {
  const int64_t tokens = 100 * 64;
  const DataOrder a(1, tokens, 64), again(1, tokens, 64), b(2, tokens, 64);
  const int64_t windows = a.windows_per_epoch();
  std::vector<int64_t> first, second, other;
  for (int64_t i = windows - 1; i >= 0; --i) EXPECT_EQ(a.start(i), again.start(i));
  for (int64_t i = 0; i < windows; ++i) {
    first.push_back(a.start(i) / 64);
    second.push_back(a.start(windows + i) / 64);
    other.push_back(b.start(i) / 64);
  }
  EXPECT_NE(first, second);
  EXPECT_NE(first, other);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
}

TEST(DataOrder, FirstWindowOfAnEpochIsUniform) {
  constexpr int64_t windows = 8;
  std::vector<int> counts(windows);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const DataOrder order(seed, windows * 4 + 4, 4);
    ASSERT_EQ(order.windows_per_epoch(), windows);
    ++counts[static_cast<size_t>(order.start(0) / 4 % windows)];
  }
  // 4000 draws of probability 1/8: standard deviation 21; a shift of the border may move a window by one
  // place.
  for (const int c : counts) EXPECT_NEAR(c, 500, 150);
}

TEST(DataOrder, TooFewTokensAreRefused) {
  EXPECT_THROW(DataOrder(1, 63, 64), Error);
}

TEST(Schedule, RisesToThePeakThenFallsToATenth) {
  const RateSchedule s{.peak = 2e-3, .warmup = 10, .steps = 110};
  EXPECT_DOUBLE_EQ(s.rate(1), 2e-4);
  EXPECT_DOUBLE_EQ(s.rate(10), 2e-3);
  EXPECT_NEAR(s.rate(60), 0.55 * 2e-3, 1e-12);
  EXPECT_NEAR(s.rate(110), 2e-4, 1e-15);
  for (int64_t i = 2; i <= 10; ++i) EXPECT_GT(s.rate(i), s.rate(i - 1));
  for (int64_t i = 11; i <= 110; ++i) EXPECT_LT(s.rate(i), s.rate(i - 1));
}

TEST(Schedule, FallsInAStraightLineToWhatIsAsked) {
  const RateSchedule s{
      .peak = 2e-3, .warmup = 10, .steps = 110, .shape = RateShape::linear, .final_fraction = 0.0};
  EXPECT_DOUBLE_EQ(s.rate(5), 1e-3);
  EXPECT_DOUBLE_EQ(s.rate(10), 2e-3);
  for (int64_t i = 11; i <= 110; ++i) EXPECT_NEAR(s.rate(i - 1) - s.rate(i), 2e-5, 1e-15);
  EXPECT_EQ(s.rate(110), 0.0);
}

TEST(Schedule, StaysAtThePeakWhateverItsLength) {
  for (const int64_t steps : {20, 110, 1 << 20}) {
    const RateSchedule s{.peak = 2e-3, .warmup = 10, .steps = steps, .shape = RateShape::constant};
    EXPECT_DOUBLE_EQ(s.rate(5), 1e-3);
    for (const int64_t i : {10, 11, 19, 20}) EXPECT_EQ(s.rate(i), 2e-3);
  }
}

TEST(Schedule, DegenerateLengthsStayPositiveAndBelowThePeak) {
  for (const RateShape shape : {RateShape::cosine, RateShape::linear, RateShape::constant}) {
    for (const int64_t warmup : {0, 1, 5, 50}) {
      for (const int64_t steps : {1, 2, 5, 20}) {
        const RateSchedule s{.peak = 1.0, .warmup = warmup, .steps = steps, .shape = shape};
        for (int64_t i = 1; i <= steps; ++i) {
          EXPECT_GT(s.rate(i), 0.0);
          EXPECT_LE(s.rate(i), 1.0);
        }
      }
    }
  }
}

TEST(LossSpike, SeesAJumpAndNotAFallOrNoise) {
  LossSpike spike;
  const Philox philox(3);
  for (uint64_t i = 0; i < 500; ++i) {
    const double loss = 2.0 + 6.0 * std::exp(-static_cast<double>(i) / 80.0) + 0.05 * philox.normals(0, i)[0];
    EXPECT_EQ(spike.observe(loss), 0.0) << "step " << i;
  }
  EXPECT_GT(spike.observe(5.0), LossSpike::threshold);
}

}  // namespace
}  // namespace photon::trainer
