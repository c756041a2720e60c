// SPDX-License-Identifier: Apache-2.0
// The Pareto frontier of speed against quality: what no other measurement beats in both.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

namespace photon::analysis {

struct CostGain {
  double cost = 0.0;  ///< smaller is better: perplexity, bits per byte
  double gain = 0.0;  ///< larger is better: throughput, TPM
};

/// Indices of the points that no other point dominates (cost no larger, gain no smaller, one of them
/// strictly), by rising cost. Equal points stand or fall together. O(n log n); no point may hold a NaN.
inline std::vector<size_t> pareto_frontier(std::span<const CostGain> points) {
  std::vector<size_t> order(points.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return points[a].cost != points[b].cost ? points[a].cost < points[b].cost
                                            : points[a].gain > points[b].gain;
  });
  std::vector<size_t> frontier;
  for (const size_t i : order) {
    const bool first = frontier.empty();
    const CostGain last = first ? CostGain{} : points[frontier.back()];
    const bool equal = !first && points[i].cost == last.cost && points[i].gain == last.gain;
    if (first || points[i].gain > last.gain || equal) frontier.push_back(i);
  }
  return frontier;
}

}  // namespace photon::analysis
