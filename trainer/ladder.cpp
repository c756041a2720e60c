// SPDX-License-Identifier: Apache-2.0
#include "trainer/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>

#include "core/base/error.h"

namespace photon::trainer {
namespace {

/// The rate beyond `edge`, away from `neighbour`, in round numbers: 5e-4, 1e-3, 2e-3 goes on with 4e-3.
double next_rate(double edge, double neighbour) {
  const double next = edge * edge / neighbour;
  const double digit = std::pow(10.0, std::floor(std::log10(next)) - 2.0);
  return std::round(next / digit) * digit;
}

}  // namespace

std::string to_string(const Rung& rung) {
  return fmt::format("{} x {:g}", rung.batch, rung.learning_rate);
}

std::vector<Rung> Ladder::rungs() const {
  std::vector<Rung> all;
  for (const int64_t batch : batches) {
    for (const double rate : learning_rates) all.push_back({batch, rate});
  }
  return all;
}

Ladder ladder_of(std::span<const Tried> tried) {
  std::set<int64_t> batches;
  std::set<double> rates;
  for (const Tried& t : tried) {
    batches.insert(t.rung.batch);
    rates.insert(t.rung.learning_rate);
  }
  return {{batches.begin(), batches.end()}, {rates.begin(), rates.end()}};
}

const Tried& best_of(std::span<const Tried> tried) {
  if (tried.empty()) throw std::logic_error("the best of no rung");
  for (const Tried& t : tried) {
    if (std::isnan(t.loss))
      throw Error(fmt::format("the loss at {} is {}: no number to choose by", to_string(t.rung), t.loss));
  }
  const Tried& best = *std::min_element(tried.begin(), tried.end(),
                                        [](const Tried& a, const Tried& b) { return a.loss < b.loss; });
  if (!std::isfinite(best.loss)) throw Error(fmt::format("diverged at every rung of {}", tried.size()));
  return best;
}

bool extend(Ladder& ladder, const Rung& best) {
  auto& batches = ladder.batches;
  auto& rates = ladder.learning_rates;
  const Ladder before = ladder;
  if (best.batch == before.batches.back()) batches.push_back(2 * best.batch);
  if (best.batch == before.batches.front() && best.batch > 1) batches.insert(batches.begin(), best.batch / 2);
  // Of a single rate nobody knows the step: twice and half.
  const bool single = before.learning_rates.size() == 1;
  if (best.learning_rate == before.learning_rates.back()) {
    const double neighbour = single ? rates.back() / 2.0 : before.learning_rates.rbegin()[1];
    rates.push_back(next_rate(before.learning_rates.back(), neighbour));
  }
  if (best.learning_rate == before.learning_rates.front()) {
    const double neighbour = single ? 2.0 * before.learning_rates.front() : before.learning_rates[1];
    rates.insert(rates.begin(), next_rate(before.learning_rates.front(), neighbour));
  }
  return batches.size() + rates.size() > before.batches.size() + before.learning_rates.size();
}

}  // namespace photon::trainer
