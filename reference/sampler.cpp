// SPDX-License-Identifier: Apache-2.0
#include "reference/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/random.h"

namespace photon::reference {

int32_t Sampler::sample(std::span<const double> log_probs, int64_t sequence, int64_t position) const {
  if (sampling_.temperature == 0.0) {
    return static_cast<int32_t>(std::max_element(log_probs.begin(), log_probs.end()) - log_probs.begin());
  }
  std::vector<int32_t> order(log_probs.size());
  std::iota(order.begin(), order.end(), 0);
  const bool restricted = sampling_.top_k > 0 || sampling_.top_p < 1.0;
  if (restricted) {
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return log_probs[a] > log_probs[b]; });
    if (sampling_.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(sampling_.top_k)));
  }
  const double high = *std::max_element(log_probs.begin(), log_probs.end());
  std::vector<double> weight(order.size());
  double total = 0.0;
  for (size_t i = 0; i < order.size(); ++i) {
    weight[i] = std::exp((log_probs[order[i]] - high) / sampling_.temperature);
    total += weight[i];
  }
  if (sampling_.top_p < 1.0) {
    // The smallest set of the most likely tokens that reaches top_p, never empty.
    double sum = 0.0;
    size_t kept = 0;
    while (kept < weight.size() && (kept == 0 || sum < sampling_.top_p * total)) sum += weight[kept++];
    weight.resize(kept);
    total = sum;
  }
  const double threshold =
      total *
      Philox(sampling_.seed).uniform(static_cast<uint64_t>(sequence), static_cast<uint64_t>(position));
  double sum = 0.0;
  for (size_t i = 0; i < weight.size(); ++i) {
    sum += weight[i];
    if (sum > threshold) return order[i];
  }
  return order[weight.size() - 1];
}

}  // namespace photon::reference
