// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/format.h"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/draw/ticks.h"

namespace photon::analysis {
namespace {

TEST(Format, KeepsTheDigitsAskedFor) {
  EXPECT_EQ(significant(0.0), "0");
  EXPECT_EQ(significant(9.999), "10.0");
  EXPECT_EQ(significant(0.012345), "0.0123");
  EXPECT_EQ(significant(-1234567.0), "-1,230,000");
  EXPECT_EQ(significant(123456.0, 6), "123,456");
  EXPECT_EQ(significant(1.0127e7), "10,100,000");  // beside 710,000 in a column
  EXPECT_EQ(significant(1.5e-7), "1.50e-07");
  EXPECT_EQ(with_prefix(646399104.0), "646 M");
  EXPECT_EQ(with_prefix(999.9), "1.00 k");
  EXPECT_EQ(with_prefix(12.0), "12.0");
  EXPECT_EQ(readable_bytes(1024.0), "1.00 KiB");
  EXPECT_EQ(readable_bytes(1023.9), "1.00 KiB");
  EXPECT_EQ(readable_bytes(7.0), "7.00 B");
  EXPECT_EQ(text_columns("a ± b"), 5u);
}

TEST(Ticks, StandInsideTheRangeAtRoundPlaces) {
  for (const auto scale : {PlotAxis::Scale::linear, PlotAxis::Scale::log}) {
    for (const bool binary : {false, true}) {
      for (double low = 1.3e-7; low < 1e9; low *= 7.7) {
        for (const double ratio : {1.2, 1.9, 4.1, 30.0, 5e3, 1e9}) {
          const AxisRange range{low, low * ratio};
          const auto ticks = round_ticks(range, scale, binary);
          EXPECT_LE(ticks.size(), 16u) << low << " x " << ratio;
          EXPECT_GE(ticks.size(), binary ? 0u : 2u) << low << " x " << ratio;
          for (const double tick : ticks) {
            EXPECT_GE(tick, range.low * (1 - 1e-6));
            EXPECT_LE(tick, range.high * (1 + 1e-6));
          }
          for (size_t i = 1; i < ticks.size(); ++i) EXPECT_LT(ticks[i - 1], ticks[i]);
        }
      }
    }
  }
}

TEST(Ticks, LabelsTellNeighboursApart) {
  EXPECT_EQ(tick_labels({0.5, 1.0, 1.5}, PlotAxis::Ticks::plain),
            (std::vector<std::string>{"0.5", "1.0", "1.5"}));
  EXPECT_EQ(tick_labels({1, 100, 10000}, PlotAxis::Ticks::plain),
            (std::vector<std::string>{"1", "100", "10,000"}));
  EXPECT_EQ(tick_labels({2048, 1048576}, PlotAxis::Ticks::bytes),
            (std::vector<std::string>{"2 KiB", "1 MiB"}));
  EXPECT_EQ(tick_labels({0, 500000, 1500000}, PlotAxis::Ticks::prefixed),
            (std::vector<std::string>{"0", "500 k", "1.5 M"}));
}

}  // namespace
}  // namespace photon::analysis
