// SPDX-License-Identifier: Apache-2.0
// Comparing two results files: what is joined, how sure a ratio is, verdicts, refusals.
#include "bench/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "bench/log_ratio.h"
#include "core/base/error.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::bench {
namespace {

using photon::testing::holds;
using photon::testing::message_of;

struct Row {
  double speed = 1.0;  ///< over that of the case
  double spread = 0.02;
  int samples = 9;
  double ceilings = 1.0;  ///< of the machine, over the usual
  std::string device = "one";
  std::string commit = "abc";
};

ResultRow row_of(const std::string& model, int batch, const Row& r) {
  static int made = 0;
  ResultRow row;
  set_identity(row, std::vector<std::string>{"photon", "bench"});
  row.set("time", std::to_string(++made));
  row.set("commit", r.commit);
  row.set("kind", "bench");
  row.set("device", r.device);
  row.set("model", model);
  row.set("architecture", "photon");
  row.set("generation", "hiergen");
  row.set("dtype", "float32");
  row.set("regime", "pf");
  row.set("prompt", 2048);
  row.set("new_tokens", 128);
  row.set("batch", batch);
  row.set("samples_per_prompt", 1);
  row.set("samples", r.samples);
  if (r.samples > 1) row.set("spread", r.spread);
  row.set("throughput_tokens_per_s", 1000.0 * batch * r.speed);
  row.set("prefill_seconds", 0.3 / r.speed);
  row.set("prefill_tokens_per_s", 1e4 * r.speed);
  row.set("decode_seconds", 0.7 / r.speed);
  row.set("ceiling_bandwidth_bytes_per_s", 1e10 * r.ceilings);
  row.set("ceiling_matrix_flops_per_s", 1e11 * r.ceilings);
  return row;
}

class CompareTest : public ::testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, const std::vector<ResultRow>& rows) {
    const auto path = folder_ / name;
    append_results(path, rows);
    return path;
  }
  /// Of one case with these rows on either side.
  Comparison throughput(const std::vector<Row>& a, const std::vector<Row>& b) {
    const std::string tag = std::to_string(++files_);
    const auto rows = [](const std::vector<Row>& all) {
      std::vector<ResultRow> out;
      for (const Row& r : all) out.push_back(row_of("m", 4, r));
      return out;
    };
    const auto report = compare(file("a" + tag, rows(a)), file("b" + tag, rows(b)), {});
    EXPECT_EQ(report.comparisons.size(), 3u);
    return report.comparisons[0];
  }

  photon::testing::TempFolder folder_;
  int files_ = 0;
};

TEST_F(CompareTest, AFileIsTheSameAsItselfHoweverNoisy) {
  std::vector<ResultRow> rows;
  for (int batch : {1, 2, 3}) rows.push_back(row_of("m", batch, {.spread = 3.0}));
  rows.push_back(row_of("m", 2, {.speed = 1.7, .spread = 3.0}));
  rows.push_back(row_of("n", 1, {.samples = 1}));
  const auto path = file("rows.csv", rows);
  const CompareReport report = compare(path, path, {});
  ASSERT_EQ(report.comparisons.size(), 4u * 3u);
  for (const Comparison& c : report.comparisons) {
    EXPECT_EQ(c.verdict, Verdict::same) << c.what;
    EXPECT_EQ(c.ratio, 1.0);
    EXPECT_EQ(c.interval_from, "the same rows");
  }
}

TEST_F(CompareTest, ATenthIsFoundWhereTheRowsAreSteadyAndNotWhereTheyAreNot) {
  EXPECT_EQ(throughput({{}}, {{.speed = 1.1}}).verdict, Verdict::faster);
  EXPECT_EQ(throughput({{}}, {{.speed = 1.0 / 1.1}}).verdict, Verdict::slower);
  EXPECT_NEAR(throughput({{}}, {{.speed = 1.1}}).ratio, 1.1, 1e-12);
  EXPECT_EQ(throughput({{.spread = 0.6}}, {{.speed = 1.1, .spread = 0.6}}).verdict, Verdict::cannot_tell);
  EXPECT_EQ(throughput({{.spread = 0.004}}, {{.speed = 1.005, .spread = 0.004}}).verdict, Verdict::same);
  // Rows that repeat the case.
  EXPECT_EQ(
      throughput({{}, {.speed = 1.01}, {.speed = 0.99}}, {{.speed = 1.1}, {.speed = 1.11}, {.speed = 1.09}})
          .verdict,
      Verdict::faster);
  EXPECT_EQ(throughput({{}, {.speed = 1.3}, {.speed = 0.8}}, {{.speed = 1.1}, {.speed = 1.4}, {.speed = 0.9}})
                .verdict,
            Verdict::cannot_tell);
  EXPECT_EQ(throughput({{}, {.speed = 1.3}, {.speed = 0.8}}, {{.speed = 1.1}}).verdict, Verdict::cannot_tell)
      << "a single row is no surer than those of the other file";
}

TEST_F(CompareTest, OneSampleTellsNothing) {
  const Comparison c = throughput({{.samples = 1}}, {{.speed = 3.0}});
  EXPECT_EQ(c.verdict, Verdict::cannot_tell);
  EXPECT_FALSE(c.low);
  EXPECT_EQ(c.interval_from, "one sample");
}

TEST_F(CompareTest, AMachineThatChangedWidensTheIntervalOfSingleRows) {
  EXPECT_EQ(throughput({{}}, {{.speed = 1.1, .ceilings = 1.1}}).verdict, Verdict::cannot_tell);
  EXPECT_EQ(throughput({{}}, {{.speed = 1.1, .ceilings = 2.0, .device = "two"}}).verdict, Verdict::faster)
      << "two machines have two sets of ceilings";
}

TEST_F(CompareTest, APhaseAnswersForAllOfTheSpread) {
  const auto a = file("a", {row_of("m", 4, {.spread = 0.05})});
  const auto b = file("b", {row_of("m", 4, {.speed = 1.1, .spread = 0.05})});
  const auto all = compare(a, b, {}).comparisons;
  ASSERT_EQ(all.size(), 3u);
  const auto width = [](const Comparison& c) { return std::log(*c.high / *c.low); };
  EXPECT_NEAR(width(all[1]), width(all[0]) / 0.3, 1e-9) << all[1].quantity;
  EXPECT_NEAR(width(all[2]), width(all[0]) / 0.7, 1e-9) << all[2].quantity;
}

TEST_F(CompareTest, SaysWhatHasNoPartnerAndWhatIsLeftOut) {
  ResultRow other = row_of("m", 1, {});
  other.set("kind", "training");
  const auto a = file("a", {row_of("m", 1, {.speed = 9.0, .commit = "old"}), row_of("m", 1, {}),
                            row_of("only-a", 1, {}), other});
  const auto b = file("b", {row_of("m", 1, {}), row_of("m", 64, {})});
  const CompareReport report = compare(a, b, {});
  ASSERT_EQ(report.comparisons.size(), 3u);
  EXPECT_EQ(report.comparisons[0].rows_a, 1);
  EXPECT_NEAR(report.comparisons[0].ratio, 1.0, 1e-12) << "the older commit's row does not count";
  ASSERT_EQ(report.only_in_a.size(), 1u);
  EXPECT_TRUE(holds(report.only_in_a[0], {"only-a", "pf hiergen B=1 float32"}));
  ASSERT_EQ(report.only_in_b.size(), 1u);
  EXPECT_TRUE(holds(report.only_in_b[0], {"B=64"}));
  ASSERT_EQ(report.left_out.size(), 2u);
  EXPECT_TRUE(holds(report.left_out[0], {"1 rows of other kinds"}));
  EXPECT_TRUE(holds(report.left_out[1], {a.string(), "line 2", "commit old"}));
  const std::string text = to_markdown(report, {});
  EXPECT_TRUE(
      holds(text, {"| m | pf hiergen B=1 float32 | throughput |", "Only in A", "Only in B", "Left out"}));
  const auto json = nlohmann::json::parse(to_json(report, {}));
  EXPECT_EQ(json["comparisons"].size(), 3u);
  EXPECT_EQ(json["only_in_b"].size(), 1u);
  EXPECT_EQ(json["comparisons"][0]["verdict"], to_string(report.comparisons[0].verdict));
}

TEST_F(CompareTest, RefusesWithFileLineAndColumn) {
  const auto good = file("good", {row_of("m", 1, {})});
  const auto refused = [&](const std::filesystem::path& bad, const std::vector<std::string>& parts) {
    EXPECT_TRUE(holds(message_of<Error>([&] { compare(good, bad, {}); }), parts));
    EXPECT_TRUE(holds(message_of<Error>([&] { compare(bad, good, {}); }), parts));
  };
  ResultRow empty = row_of("m", 1, {});
  empty.set("decode_seconds", "");
  refused(file("empty", {row_of("m", 1, {}), empty}), {"empty, line 3", "decode_seconds"});
  ResultRow negative = row_of("m", 1, {});
  negative.set("throughput_tokens_per_s", -3.0);
  refused(file("negative", {negative}), {"negative, line 2", "throughput_tokens_per_s", "-3"});
  ResultRow nan = row_of("m", 1, {});
  nan.set("spread", "nan");
  refused(file("nan", {nan}), {"nan, line 2", "spread"});
  ResultRow old = row_of("m", 1, {});
  old.set("schema_version", 2);
  refused(file("old", {old}), {"old, line 2", "schema 2", "schema 3"});
  const auto stranger = file("stranger", {row_of("n", 1, {})});
  EXPECT_THROW(compare(good, stranger, {}), UsageError);
}

TEST_F(CompareTest, RandomFilesKeepWhatMustHold) {
  std::mt19937_64 random(photon::testing::test_seed());
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  for (int round = 0; round < 20; ++round) {
    std::vector<ResultRow> a, b;
    for (int i = 0; i < 12; ++i) {
      for (auto* rows : {&a, &b}) {
        rows->push_back(row_of("m", 1 + static_cast<int>(random() % 4),
                               {.speed = 0.5 + uniform(random),
                                .spread = uniform(random),
                                .samples = 1 + static_cast<int>(random() % 6)}));
      }
    }
    const auto fa = file("ra" + std::to_string(round), a);
    const auto fb = file("rb" + std::to_string(round), b);
    const auto forward = compare(fa, fb, {});
    const auto backward = compare(fb, fa, {});
    for (const Comparison& c : forward.comparisons) {
      const auto other =
          std::find_if(backward.comparisons.begin(), backward.comparisons.end(),
                       [&](const Comparison& d) { return d.what == c.what && d.quantity == c.quantity; });
      ASSERT_NE(other, backward.comparisons.end());
      EXPECT_NEAR(c.ratio * other->ratio, 1.0, 1e-9);
      ASSERT_EQ(c.low.has_value(), other->low.has_value());
      if (!c.low) continue;
      EXPECT_LE(*c.low, c.ratio);
      EXPECT_GE(*c.high, c.ratio);
      EXPECT_NEAR(*c.low * *other->high, 1.0, 1e-9);
      EXPECT_EQ(c.verdict == Verdict::faster, other->verdict == Verdict::slower);
      EXPECT_EQ(c.verdict == Verdict::same, other->verdict == Verdict::same);
    }
  }
}

// Rows drawn from one law: an interval that claims 95 % must hold the true ratio about as often.
TEST(LogRatioTest, IntervalsHoldAsOftenAsTheyClaim) {
  std::mt19937_64 random(photon::testing::test_seed());
  std::normal_distribution<double> noise(0.0, 0.05);
  constexpr int rounds = 4000;
  int between = 0, within = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto rows = [&](size_t count) {
      Side side;
      for (size_t i = 0; i < count; ++i) side.logs.push_back(noise(random));
      side.variances.resize(count);
      side.samples.resize(count, 1);
      return side;
    };
    const LogRatio several = log_ratio(rows(3), rows(4), 0.95);
    between += std::abs(several.value) <= several.half_width.value();
    const auto row = [&] {  // the median of 15 samples, and what a row keeps of them
      std::vector<double> samples;
      for (int i = 0; i < 15; ++i) samples.push_back(1.0 + noise(random));
      std::sort(samples.begin(), samples.end());
      const double spread = (samples.back() - samples.front()) / samples[7];
      return Side{{std::log(samples[7])}, {variance_of_row(15, spread)}, {15}};
    };
    const LogRatio single = log_ratio(row(), row(), 0.95);
    within += std::abs(single.value) <= single.half_width.value();
  }
  EXPECT_NEAR(static_cast<double>(between) / rounds, 0.95, 0.025);
  EXPECT_GE(static_cast<double>(within) / rounds, 0.99) << "independent samples are surer than is claimed";
}

TEST(LogRatioTest, StudentsTAndTheRangeAgreeWithTables) {
  EXPECT_NEAR(student_t(0.95, 1.0), 12.7062, 1e-4);
  EXPECT_NEAR(student_t(0.95, 4.0), 2.7764, 1e-4);
  EXPECT_NEAR(student_t(0.99, 10.0), 3.1693, 1e-4);
  EXPECT_NEAR(student_t(0.95, 1e6), 1.95996, 1e-4);
  EXPECT_NEAR(expected_range(2), 1.12838, 1e-5);
  EXPECT_NEAR(expected_range(5), 2.32593, 1e-5);
  EXPECT_NEAR(expected_range(100), 5.01519, 1e-4);
  EXPECT_FALSE(variance_of_row(1, 0.5));
  EXPECT_THROW(student_t(0.95, 0.0), std::logic_error);
}

}  // namespace
}  // namespace photon::bench
