// SPDX-License-Identifier: Apache-2.0
#include "analysis/join/pareto.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

namespace photon::analysis {
namespace {

bool dominated(const CostGain& p, std::span<const CostGain> all) {
  return std::any_of(all.begin(), all.end(), [&](const CostGain& q) {
    return q.cost <= p.cost && q.gain >= p.gain && (q.cost < p.cost || q.gain > p.gain);
  });
}

TEST(Pareto, EqualsBruteForceOnRandomPointsWithTies) {
  const char* given = std::getenv("PHOTON_TEST_SEED");
  const auto seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device{}();
  SCOPED_TRACE(testing::Message() << "PHOTON_TEST_SEED=" << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    // A coarse grid makes equal costs, equal gains and equal points common.
    const auto grid = 1 + random() % 12;
    std::vector<CostGain> points(random() % 25);
    for (CostGain& p : points)
      p = {static_cast<double>(random() % grid), static_cast<double>(random() % grid)};
    const auto frontier = pareto_frontier(points);
    const std::set<size_t> chosen(frontier.begin(), frontier.end());
    EXPECT_EQ(chosen.size(), frontier.size());
    for (size_t i = 0; i < points.size(); ++i) {
      EXPECT_EQ(chosen.contains(i), !dominated(points[i], points)) << "point " << i;
    }
    for (size_t i = 1; i < frontier.size(); ++i) {
      EXPECT_LE(points[frontier[i - 1]].cost, points[frontier[i]].cost);
      EXPECT_LE(points[frontier[i - 1]].gain, points[frontier[i]].gain);
    }
  }
}

}  // namespace
}  // namespace photon::analysis
