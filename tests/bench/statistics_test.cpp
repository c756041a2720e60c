// SPDX-License-Identifier: Apache-2.0
#include "bench/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

namespace photon::bench {
namespace {

using Values = std::vector<double>;

TEST(Statistics, QuantilesAreLinearBetweenOrderStatistics) {
  const Values v{4.0, 1.0, 3.0, 2.0};
  EXPECT_EQ(quantile(v, 0.0), 1.0);
  EXPECT_EQ(quantile(v, 1.0), 4.0);
  EXPECT_EQ(median(v), 2.5);
  EXPECT_DOUBLE_EQ(quantile(v, 0.9), 3.7);
  EXPECT_EQ(quantile(Values{7.0}, 0.99), 7.0);
}

TEST(Statistics, NothingAndNaNAreNoAnswers) {
  EXPECT_THROW(median(Values{}), std::logic_error);
  EXPECT_THROW(median(Values{1.0, std::numeric_limits<double>::quiet_NaN()}), std::logic_error);
}

TEST(Statistics, OneDisturbedSampleMovesTheSpreadAndNotTheError) {
  Values quiet;
  for (int i = 0; i < 21; ++i) quiet.push_back(1.0 + 0.001 * i);
  Values disturbed = quiet;
  disturbed.back() = 5.0;
  EXPECT_NEAR(relative_spread(quiet), 0.02 / 1.01, 1e-12);
  EXPECT_GT(relative_spread(disturbed), 3.0);
  EXPECT_EQ(relative_error(quiet), relative_error(disturbed));
}

TEST(Statistics, TheErrorFallsWithMoreSamplesAndIsUnknownForFew) {
  const auto error_of = [](int n) {
    Values v;
    for (int i = 0; i < n; ++i) v.push_back(1.0 + 0.1 * (i % 4));
    return relative_error(v);
  };
  EXPECT_TRUE(std::isinf(error_of(2)));
  EXPECT_NEAR(error_of(64), error_of(16) / 2.0, 1e-12);
}

}  // namespace
}  // namespace photon::bench
