// SPDX-License-Identifier: Apache-2.0
// The figure over samples of a prompt: which rows it draws, and where.
#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/figures/figures.h"
#include "tests/analysis/synthetic_rows.h"

namespace photon::analysis {
namespace {

ResultRow row(const std::string& model, const std::string& architecture, const std::string& generation,
              int samples, int batch, double throughput) {
  ResultRow r = synthetic::bench(model, architecture, generation, "", "pf/8", batch, throughput, 1000.0);
  r.set("samples_per_prompt", samples);
  r.set("kv_bytes_planned_per_sample", 8192.0 / samples);
  r.set("local_bytes_per_sample", 512.0);
  r.set("ttft_seconds", 0.1);
  return r;
}

TEST(SampleFigures, ACurveAMethodAPointANumberOfSamples) {
  std::vector<ResultRow> rows;
  for (const int n : {1, 2, 9, 64}) {
    rows.push_back(row("v", "vanilla", "", n, n, 10.0 * n));
    rows.push_back(row("v", "vanilla", "", n, 2 * n, 15.0 * n));  // the best batch
    rows.push_back(row("p", "photon", "hiergen", n, n, 100.0 * n));
  }
  rows.push_back(row("p", "photon", "hiergen", 9, 9, 777.0));  // again: the latest counts
  rows.push_back(row("p", "photon", "recgen", 1, 1, 5.0));     // one number of samples is no curve
  rows.push_back(synthetic::eval("p", "photon", 1, 2.0));
  const auto figures = sample_figures(rows);
  ASSERT_EQ(figures.size(), 1u);
  ASSERT_EQ(figures[0].figure.panels.size(), 3u);
  const PlotPanel& throughput = figures[0].figure.panels[0];
  EXPECT_EQ(throughput.x.scale, PlotAxis::Scale::log);
  ASSERT_EQ(throughput.series.size(), 2u);
  for (const Series& s : throughput.series) {
    ASSERT_EQ(s.points.size(), 4u) << s.title;
    EXPECT_TRUE(std::is_sorted(s.points.begin(), s.points.end(),
                               [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; }));
  }
  EXPECT_EQ(throughput.series[0].title, "Vanilla");
  EXPECT_EQ(throughput.series[0].points[3].y, 15.0 * 64);
  EXPECT_EQ(throughput.series[1].points[2].x, 9.0);
  EXPECT_EQ(throughput.series[1].points[2].y, 777.0);
  const PlotPanel& memory = figures[0].figure.panels[2];
  EXPECT_EQ(memory.series[0].points[1].y, 4096.0 + 512.0);
}

TEST(SampleFigures, MachinesAndWorkloadsAreApartAndNothingIsDrawnOfNothing) {
  std::vector<ResultRow> rows;
  for (const int n : {1, 4}) {
    rows.push_back(row("v", "vanilla", "", n, n, 10.0));
    rows.push_back(row("v", "vanilla", "", n, n, 10.0));
    rows.back().set("device", "another");
  }
  EXPECT_EQ(sample_figures(rows).size(), 2u);
  rows.resize(2);
  EXPECT_TRUE(sample_figures(rows).empty());
  EXPECT_TRUE(sample_figures({}).empty());
}

}  // namespace
}  // namespace photon::analysis
