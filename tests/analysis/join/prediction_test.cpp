// SPDX-License-Identifier: Apache-2.0
// How far predictions are off: planted errors come back, regimes and machines stay apart, limits are judged
// at their edges.
#include "analysis/join/prediction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "analysis/figures/figures.h"
#include "analysis/report/tables.h"
#include "tests/analysis/synthetic_rows.h"
#include "tests/support.h"

namespace photon::analysis {
namespace {

/// Prefill takes 1 s, decode 3 s; the errors are of each phase.
ResultRow row(const std::string& regime, double prefill_error, double decode_error) {
  ResultRow r = synthetic::bench("p", "photon", "hiergen", "", regime, 1, 100.0, 1000.0);
  r.set("prefill_seconds", 1.0);
  r.set("decode_seconds", 3.0);
  r.set("prefill_predicted_seconds", 1.0 + prefill_error);
  r.set("decode_predicted_seconds", 3.0 * (1.0 + decode_error));
  return r;
}

/// 12 rows each of PF and DE, every request off by `error`.
std::vector<ResultRow> uniform(double error) {
  std::vector<ResultRow> rows;
  for (int i = 0; i < 24; ++i) rows.push_back(row(i % 2 ? "pf/8" : "de/8", error, error));
  return rows;
}

TEST(Prediction, PlantedErrorsComeBack) {
  const uint64_t seed = testing::test_seed();
  std::mt19937_64 random(seed);
  std::vector<ResultRow> rows;
  for (int i = 0; i <= 10; ++i) {  // PF: 0 to 20 %, both phases, either sign
    const double error = 0.02 * i * (i % 3 == 0 ? -1.0 : 1.0);
    rows.push_back(row(i % 2 ? "pf" : "pf/8", error, error));
  }
  for (int i = 0; i <= 10; ++i) rows.push_back(row("de/16", 0.04 * i, 0.0));  // the request: 0 to 10 %
  std::shuffle(rows.begin(), rows.end(), random);
  const auto all = validations(rows);
  ASSERT_EQ(all.size(), 1u) << "seed " << seed;
  const Validation& v = all[0];
  ASSERT_EQ(v.regimes.size(), 2u);
  const auto& pf = v.regimes[0];
  const auto& de = v.regimes[1];
  EXPECT_EQ(pf.name, "PF");
  EXPECT_EQ(de.name, "DE");
  for (const ErrorSpread& s : {pf.prefill, pf.decode, pf.request}) {
    EXPECT_EQ(s.rows, 11);
    EXPECT_NEAR(s.median, 0.10, 1e-12);
    EXPECT_NEAR(s.p90, 0.18, 1e-12);
  }
  EXPECT_NEAR(de.prefill.median, 0.20, 1e-12);
  EXPECT_NEAR(de.prefill.p90, 0.36, 1e-12);
  EXPECT_NEAR(de.decode.p90, 0.0, 1e-12);
  EXPECT_NEAR(de.request.median, 0.05, 1e-12);
  EXPECT_NEAR(de.request.p90, 0.09, 1e-12);
  EXPECT_NEAR(de.bias, 0.05, 1e-12);
  EXPECT_EQ(v.all.request.rows, 22);
  ASSERT_EQ(v.rows.size(), rows.size());
  for (size_t i = 1; i < v.rows.size(); ++i) {
    EXPECT_GE(std::abs(*v.rows[i - 1].request().error()), std::abs(*v.rows[i].request().error()));
  }
}

TEST(Prediction, RowsWithoutOneAreLeftOutAndCounted) {
  auto rows = uniform(0.1);
  const auto bench = synthetic::bench("p", "photon", "hiergen", "", "pf/8", 1, 100.0, 1000.0);
  rows.push_back(bench);  // never predicted
  rows.push_back(synthetic::eval("p", "photon", 1, 2.0));
  rows.push_back(row("pf/8", 0.1, 0.1));
  rows.back().set("prefill_flops", 1e6);
  rows.back().set("prefill_predicted_seconds", "");  // half predicted
  rows.push_back(row("de/8", 0.0, 0.1));
  rows.back().set("prefill_flops", 0.0);
  rows.back().set("prefill_seconds", 0.0);  // a prompt shorter than a chunk
  rows.back().set("prefill_predicted_seconds", "");
  rows.push_back(row("pf/8", 0.1, 0.1));
  rows.back().set("prefill_seconds", 0.0);
  rows.back().set("decode_seconds", 0.0);   // nothing to divide by
  rows.push_back(row("pf/8", -1.0, -1.0));  // nothing predicted
  const auto all = validations(rows);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].left_out, 4);
  EXPECT_EQ(all[0].all.request.rows, 25);
  EXPECT_EQ(all[0].all.prefill.rows, 24);
  for (const ErrorSpread& s : {all[0].all.prefill, all[0].all.decode, all[0].all.request}) {
    EXPECT_NEAR(s.median, 0.1, 1e-12);
    EXPECT_NEAR(s.p90, 0.1, 1e-12);
  }
  const std::vector<ResultRow> none{bench};
  EXPECT_TRUE(validations(none).empty());
  EXPECT_TRUE(prediction_summary(none).empty());
  EXPECT_TRUE(prediction_figures(none).empty());
}

TEST(Prediction, LimitsAtTheirEdges) {
  const auto shortfalls = [](const std::vector<ResultRow>& rows) {
    const auto all = validations(rows);
    EXPECT_EQ(all.size(), 1u);
    return all.at(0).shortfalls();
  };
  EXPECT_TRUE(shortfalls(uniform(0.1499)).empty());
  EXPECT_TRUE(shortfalls(uniform(-0.1499)).empty());
  EXPECT_EQ(shortfalls(uniform(0.1501)).size(), 1u);
  EXPECT_EQ(shortfalls(uniform(-0.1501)).size(), 1u);
  EXPECT_EQ(shortfalls(uniform(0.3001)).size(), 2u);

  auto rows = uniform(0.0);
  for (int i = 0; i < 2; ++i) rows[i] = row("pf/8", 5.0, 5.0);  // two of 24 are no 90th percentile
  EXPECT_TRUE(shortfalls(rows).empty());
  rows[2] = row("pf/8", 5.0, 5.0);
  EXPECT_EQ(shortfalls(rows).size(), 1u);

  rows = uniform(0.0);
  rows.pop_back();
  EXPECT_EQ(shortfalls(rows).size(), 1u) << "23 rows";
  rows = uniform(0.0);
  for (int i = 0; i < 7; ++i) rows.push_back(row("custom", 0.0, 0.0));
  EXPECT_EQ(shortfalls(rows).size(), 1u) << "a regime of seven rows";
  rows.push_back(row("custom", 0.0, 0.0));
  EXPECT_TRUE(shortfalls(rows).empty());
  rows.assign(24, row("pf/8", 0.0, 0.0));
  EXPECT_EQ(shortfalls(rows), std::vector<std::string>{"DE: 0 rows, 8 are needed"});

  // Short predictions and long ones do not make up for each other.
  rows = uniform(0.2);
  for (size_t i = 0; i < rows.size(); i += 2) rows[i] = row("pf/8", -0.2, -0.2);
  for (int i = 0; i < 12; ++i) rows.push_back(row("de/8", 0.2, 0.2));
  EXPECT_EQ(shortfalls(rows).size(), 1u);
}

TEST(Prediction, MachinesAreApartAndEveryRowIsShown) {
  auto rows = uniform(0.05);
  for (int i = 0; i < 24; ++i) {
    rows.push_back(row(i % 2 ? "pf/8" : "de/8", 0.4, 0.4));
    rows.back().set("device", "another");
  }
  const auto all = validations(rows);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].shortfalls().empty());
  EXPECT_EQ(all[1].shortfalls().size(), 2u);
  EXPECT_NE(all[1].machine.find("another"), std::string::npos);
  const auto lines = prediction_summary(rows);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("5 % (median)"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("; within the limits"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("not within the limits"), std::string::npos) << lines[1];

  const auto figures = prediction_figures(rows);
  ASSERT_EQ(figures.size(), 2u);
  for (const CaptionedFigure& f : figures) {
    ASSERT_EQ(f.figure.panels.size(), 3u);
    for (const PlotPanel& panel : f.figure.panels) {
      size_t points = 0;
      for (const Series& s : panel.series) points += s.kind == Series::Kind::points ? s.points.size() : 0;
      EXPECT_EQ(points, 24u) << panel.title;
    }
  }
  ResultSet results;
  results.rows = rows;
  for (size_t i = 0; i < rows.size(); ++i) results.sources.push_back("x.csv:" + std::to_string(i + 2));
  const std::string html = prediction_tables(results).markup;
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_NE(html.find("#row-" + std::to_string(i) + "\""), std::string::npos) << i;
}

}  // namespace
}  // namespace photon::analysis
