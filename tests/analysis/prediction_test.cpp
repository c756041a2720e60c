// Errors of predictions that are known beforehand, and when they keep within what is asked.
#include "analysis/prediction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/analysis/synthetic_rows.h"
#include "tests/support.h"

namespace photon::analysis {
namespace {

ResultRow row(const std::string& regime, double prefill_off, double decode_off) {
  ResultRow r = synthetic::bench("photon-tiny", "photon", "hiergen", "", regime, 1, 1000.0, 1e5);
  r.set("prefill_seconds", 0.02);
  r.set("decode_seconds", 0.08);
  r.set("prefill_predicted_seconds", 0.02 * (1.0 + prefill_off));
  r.set("decode_predicted_seconds", 0.08 * (1.0 + decode_off));
  return r;
}

TEST(Prediction, ErrorsAreOfPhasesAndOfTheRequest) {
  ResultRow unpredicted = row("pf/8", 0.0, 0.0);
  unpredicted.set("prefill_predicted_seconds", "");
  unpredicted.set("decode_predicted_seconds", "");
  ResultRow no_prefill = row("de/8", 0.0, -0.25);
  no_prefill.set("prefill_seconds", 0.0);
  no_prefill.set("prefill_predicted_seconds", "");
  const std::vector rows{unpredicted, row("pf/8", 0.5, -0.25), no_prefill};
  const auto predicted = predicted_rows(rows);
  ASSERT_EQ(predicted.size(), 2u);
  EXPECT_EQ(predicted[0].row, 1u);
  EXPECT_NEAR(*predicted[0].prefill, 0.5, 1e-12);
  EXPECT_NEAR(*predicted[0].decode, -0.25, 1e-12);
  EXPECT_NEAR(predicted[0].request, 0.2 * 0.5 - 0.8 * 0.25, 1e-12);
  EXPECT_FALSE(predicted[1].prefill.has_value());
  EXPECT_NEAR(predicted[1].request, -0.25, 1e-12);
}

TEST(Prediction, PlantedErrorsGiveTheirPercentiles) {
  std::vector<ResultRow> rows;
  for (int i = 0; i <= 10; ++i) {
    const double off = (i % 2 == 0 ? 0.01 : -0.01) * i;  // |off| 0 .. 10 %
    rows.push_back(row("pf", off, off));
    rows.push_back(row("de/16", 3.0 * off, 3.0 * off));
  }
  std::mt19937_64 random(testing::test_seed());
  std::shuffle(rows.begin(), rows.end(), random);
  const auto errors = prediction_errors(rows);
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0].name, "PF");
  EXPECT_NEAR(errors[0].median, 0.05, 1e-12);
  EXPECT_NEAR(errors[0].p90, 0.09, 1e-12);
  EXPECT_EQ(errors[1].name, "DE");
  EXPECT_NEAR(errors[1].median, 0.15, 1e-12);
  EXPECT_NEAR(errors[1].p90, 0.27, 1e-12);
  EXPECT_EQ(errors[2].rows, 22u);
  EXPECT_FALSE(within_limits(errors));  // two rows too few
  rows.push_back(row("pf", 0.0, 0.0));
  rows.push_back(row("de", 0.0, 0.0));
  EXPECT_TRUE(within_limits(prediction_errors(rows)));
  EXPECT_TRUE(
      testing::holds(prediction_summary(rows), {"all: 24 rows", "PF: 12 rows", ". Within what is asked"}));
  EXPECT_EQ(prediction_figures(rows).size(), 1u);
  EXPECT_TRUE(testing::holds(prediction_table(rows), {"photon-tiny", "+30 %", "-27 %"}));
}

TEST(Prediction, LimitsAreLimits) {
  const auto judged = [](size_t pf, size_t de, double median, double p90) {
    return within_limits(std::vector<PredictionErrors>{
        {"PF", pf, median, p90}, {"DE", de, median, p90}, {"all", pf + de, median, p90}});
  };
  EXPECT_TRUE(judged(8, 16, 0.15, 0.30));
  EXPECT_FALSE(judged(7, 17, 0.15, 0.30));
  EXPECT_FALSE(judged(8, 15, 0.15, 0.30));
  EXPECT_FALSE(judged(8, 16, 0.151, 0.30));
  EXPECT_FALSE(judged(8, 16, 0.15, 0.301));
  EXPECT_FALSE(within_limits({}));
  EXPECT_EQ(prediction_summary({}), "");
  EXPECT_TRUE(prediction_figures({}).empty());
}

}  // namespace
}  // namespace photon::analysis
