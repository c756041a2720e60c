// SPDX-License-Identifier: Apache-2.0
#include "analysis/join/measurements.h"

#include <gtest/gtest.h>

#include <sstream>

#include "analysis/draw/format.h"
#include "analysis/report/ranking.h"
#include "analysis/report/summary.h"
#include "core/base/error.h"
#include "tests/analysis/synthetic_rows.h"

namespace photon::analysis {
namespace {

using synthetic::baseline;
using synthetic::bench;
using synthetic::eval;

TEST(Measurements, QualityIsOverSeedsAndTheLastRowOfASeedCounts) {
  std::vector<ResultRow> rows{eval("a", "photon", 1, 2.0), eval("a", "photon", 2, 2.2),
                              eval("a", "photon", 1, 1.8), eval("b", "photon", 1, 3.0)};
  rows[0].set("time", "2030-01-01T00:00:00Z");
  rows[1].set("time", "2030-01-01T00:00:00Z");
  rows[2].set("time", "2030-01-02T00:00:00Z");
  const auto all = qualities(rows);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].bits_per_byte.count, 2);
  EXPECT_DOUBLE_EQ(all[0].bits_per_byte.mean, 2.0);
  EXPECT_DOUBLE_EQ(all[0].bits_per_byte.low, 1.8);
  EXPECT_DOUBLE_EQ(all[0].bits_per_byte.high, 2.2);
  EXPECT_DOUBLE_EQ(all[0].bytes_per_token.value(), 3.9);
  EXPECT_EQ(all[1].bits_per_byte.count, 1);
}

TEST(Measurements, CorporaAndMatchesAreNeverMixed) {
  std::vector<ResultRow> rows{eval("a", "photon", 1, 2.0), eval("a", "photon", 1, 2.5, "other"),
                              eval("a", "photon", 1, 2.7)};
  rows[2].set("match", "tokens");
  EXPECT_EQ(qualities(rows).size(), 3u);
  EXPECT_EQ(corpora(rows), (std::vector<std::string>{"SYNTHETIC corpus", "other"}));
  const auto all = qualities(rows);
  const std::vector<ResultRow> speed{bench("a", "photon", "hiergen", "", "pf", 1, 100, 1e6)};
  EXPECT_EQ(qualities_of(best_speeds(speed)[0], all, "SYNTHETIC corpus").size(), 2u);
  EXPECT_EQ(qualities_of(best_speeds(speed)[0], all, "other").size(), 1u);
  EXPECT_TRUE(qualities_of(best_speeds(speed)[0], all, "absent").empty());
}

TEST(Measurements, RecgenStandsAtTeacherForcingPlusWhatItLostAfterPrompts) {
  std::vector<ResultRow> rows{eval("a", "photon", 1, 2.0), eval("a", "photon", 1, 1.9),
                              eval("a", "photon", 1, 2.3)};
  for (const int i : {1, 2}) {
    rows[i].set("prompt", 64);
    rows[i].set("generation", i == 1 ? "hiergen" : "recgen");
  }
  const auto all = qualities(rows);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].generation, "");
  EXPECT_DOUBLE_EQ(all[0].bits_per_byte.mean, 2.0);
  EXPECT_EQ(all[1].generation, "recgen");
  EXPECT_NEAR(all[1].bits_per_byte.mean, 2.4, 1e-12);
  EXPECT_NEAR(std::log2(all[1].perplexity.mean) / 3.9, 2.4, 1e-12);
  const std::vector<ResultRow> speeds{bench("a", "photon", "hiergen", "", "pf", 1, 100, 1e6),
                                      bench("a", "photon", "recgen", "streamed", "pf", 1, 100, 1e6)};
  const auto found = best_speeds(speeds);
  EXPECT_EQ(qualities_of(found[0], all, "SYNTHETIC corpus").at(0), &all[0]);
  EXPECT_EQ(qualities_of(found[1], all, "SYNTHETIC corpus").at(0), &all[1]);
}

TEST(Measurements, SpeedIsThatOfTheFastestBatch) {
  const std::vector<ResultRow> rows{
      bench("a", "vanilla", "", "", "de", 1, 100, 1e6), bench("a", "vanilla", "", "", "de", 8, 300, 1e6),
      bench("a", "vanilla", "", "", "de", 64, 250, 1e6), bench("a", "vanilla", "", "", "pf/8", 4, 50, 1e6),
      bench("a", "vanilla", "", "", "custom", 4, 70, 1e6)};
  const auto speeds = best_speeds(rows);
  ASSERT_EQ(speeds.size(), 3u);
  EXPECT_EQ(speeds[0].regime, "PF/8");
  EXPECT_EQ(speeds[1].regime, "DE");
  EXPECT_EQ(speeds[1].batch, 8);
  EXPECT_EQ(speeds[1].rows, std::vector<size_t>{1});
  EXPECT_EQ(speeds[2].regime, "custom");
}

TEST(Measurements, MachinesAreNeverMixed) {
  std::vector<ResultRow> rows{bench("a", "vanilla", "", "", "de", 1, 100, 1e6),
                              bench("a", "vanilla", "", "", "de", 1, 300, 1e6)};
  rows[1].set("device", "another");
  EXPECT_EQ(best_speeds(rows).size(), 2u);
}

std::vector<std::string> verdicts(const std::vector<ResultRow>& rows) {
  const auto all = qualities(rows);
  const auto base = baselines(rows);
  std::vector<std::string> out;
  for (const Ranked& r : rank_models(all, base, "SYNTHETIC corpus"))
    out.push_back(r.quality->model + ": " + r.verdict);
  return out;
}

TEST(Ranking, TellsOnlyWhatSeedsResolve) {
  EXPECT_EQ(
      verdicts({eval("a", "photon", 1, 2.00), eval("a", "photon", 2, 2.02), eval("b", "block", 1, 2.10),
                eval("b", "block", 2, 2.11), eval("c", "vanilla", 1, 2.08), eval("c", "vanilla", 2, 2.14)}),
      (std::vector<std::string>{"a: best at these settings", "b: 0.0950 behind a at these settings",
                                "c: cannot tell from b"}));
  // A gap below the spread, and spreads that are not known.
  EXPECT_EQ(verdicts({eval("a", "photon", 1, 2.00), eval("a", "photon", 2, 2.20), eval("b", "block", 1, 2.15),
                      eval("b", "block", 2, 2.16)}),
            (std::vector<std::string>{"a: cannot tell from b", "b: cannot tell from a"}));
  EXPECT_EQ(verdicts({eval("a", "photon", 1, 1.0), eval("b", "block", 1, 9.0)}),
            (std::vector<std::string>{"a: cannot tell from b", "b: cannot tell from a"}));
}

ResultRow trained(ResultRow row, int steps, const std::string& ladder) {
  row.set("training_steps", steps);
  row.set("training_batch", 4);
  row.set("learning_rate", 2e-3);
  row.set("ladder", ladder);
  return row;
}

std::vector<std::string> caveats(const std::vector<ResultRow>& rows) {
  const auto all = qualities(rows);
  return training_caveats(rank_models(all, baselines(rows), "SYNTHETIC corpus"));
}

TEST(Ranking, SpeaksOfTheseSettingsUntilALadderStandsBehindBoth) {
  std::vector<ResultRow> rows;
  for (const int seed : {1, 2}) {
    rows.push_back(trained(eval("a", "photon", seed, 2.0), 2000, "ladder.csv"));
    rows.push_back(trained(eval("b", "vanilla", seed, 2.1), 2000, "ladder.csv"));
  }
  EXPECT_EQ(verdicts(rows), (std::vector<std::string>{"a: best", "b: 0.1000 behind a"}));
  EXPECT_TRUE(caveats(rows).empty());
  rows[1].set("ladder", "");  // one seed of b was trained with a setting that was given
  EXPECT_EQ(verdicts(rows)[1], "b: 0.1000 behind a at these settings");
  ASSERT_EQ(caveats(rows).size(), 1u);
  EXPECT_NE(caveats(rows)[0].find("stands behind b:"), std::string::npos) << caveats(rows)[0];
}

TEST(Ranking, SaysWhenRunsAreShortOrDifferInSteps) {
  const auto rows = [](int a, int b) {
    return std::vector<ResultRow>{trained(eval("a", "photon", 1, 2.0), a, "ladder.csv"),
                                  trained(eval("b", "vanilla", 1, 2.1), b, "ladder.csv")};
  };
  EXPECT_TRUE(caveats(rows(2000, 1000)).empty());
  ASSERT_EQ(caveats(rows(2002, 1000)).size(), 1u);
  EXPECT_EQ(caveats(rows(2002, 1000))[0], "a took 2002 steps and b 1000: they differ by more than half");
  ASSERT_EQ(caveats(rows(1000, 999)).size(), 1u);
  EXPECT_NE(caveats(rows(1000, 999))[0].find("b took 999 steps"), std::string::npos);
}

TEST(Ranking, AModelThatLosesToTheUnigramFails) {
  std::vector<ResultRow> rows{eval("good", "photon", 1, 2.0), eval("bad", "block", 1, 2.8),
                              baseline("unigram", 2.8)};
  EXPECT_EQ(verdicts(rows)[1], "bad: loses to the unigram");
  try {
    require_better_than_unigram(rows);
    FAIL() << "a model as bad as the unigram went through";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("bad (2.8"), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find("good"), std::string::npos) << e.what();
  }
  rows[1].set("bits_per_byte", 2.79);
  EXPECT_NO_THROW(require_better_than_unigram(rows));
  rows[1].set("bits_per_byte", "");
  EXPECT_THROW(require_better_than_unigram(rows), Error) << "unmeasured is not better";
  rows.pop_back();
  EXPECT_THROW(require_better_than_unigram(rows), Error) << "without a unigram nothing was checked";
}

TEST(Summary, HasALineForEveryModelAndWayOfGenerating) {
  const auto lines = summarize(synthetic::study());
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0].model, "vanilla-small");
  EXPECT_EQ(lines[0].verdict, "best at these settings");
  EXPECT_EQ(lines[4].method, "PHOTON RecGen unrolled");
  EXPECT_EQ(lines[4].verdict, "cannot tell from block-small");
  EXPECT_EQ(lines[4].pf.batch, 16);
  EXPECT_DOUBLE_EQ(lines[4].pf.throughput.value(), 1400.0);
  EXPECT_DOUBLE_EQ(lines[4].de.throughput.value(), 4950.0);
  EXPECT_EQ(lines[4].bits_per_byte.count, 2);
}

TEST(Summary, ListsWhatLacksSpeedOrQualityToo) {
  const auto lines = summarize(std::vector<ResultRow>{
      eval("only-quality", "photon", 1, 2.0), bench("only-speed", "block", "hiergen", "", "pf", 1, 10, 1e6)});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].model, "only-quality");
  EXPECT_FALSE(lines[0].pf.throughput.has_value());
  EXPECT_EQ(lines[1].verdict, "quality not measured");
  EXPECT_FALSE(lines[1].bits_per_byte);
}

TEST(Summary, TextHasAlignedColumnsAndEveryStatement) {
  const std::string text = summary_text(synthetic::study());
  EXPECT_NE(text.find("block-small against photon-small: cannot tell"), std::string::npos) << text;
  EXPECT_NE(text.find("unigram 2.8300 bits/byte"), std::string::npos) << text;
  EXPECT_NE(text.find("note: no ladder"), std::string::npos) << text;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(text_columns(line), 120u) << line;
  EXPECT_EQ(summary_text({}), "no results\n");
}

}  // namespace
}  // namespace photon::analysis
