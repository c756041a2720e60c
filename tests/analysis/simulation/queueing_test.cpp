// SPDX-License-Identifier: Apache-2.0
// The queue against closed forms: M/M/1, M/D/1, Little's law, conservation, order.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "analysis/simulation/load.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "tests/analysis/simulation/queueing.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

using namespace analysis::simulation;

constexpr int64_t many = 400'000;

std::vector<Request> poisson(double rate, int64_t count, uint64_t seed) {
  return make_requests({.arrivals = {.kind = ArrivalLaw::Kind::poisson, .rate = rate},
                        .prompt = {},
                        .answer = {},
                        .requests = count,
                        .seed = seed},
                       nullptr);
}

struct Mean {
  double value;
  double error;  ///< standard error, from the means of 50 batches: waits of neighbours are not independent
};

Mean mean_wait(const std::vector<Request>& requests, const Outcome& outcome) {
  constexpr size_t batches = 50;
  const size_t each = requests.size() / batches;
  std::vector<double> means(batches, 0.0);
  for (size_t i = 0; i < batches * each; ++i) {
    means[i / each] += (outcome.fates[i].admitted - requests[i].arrival) / static_cast<double>(each);
  }
  const double mean = std::accumulate(means.begin(), means.end(), 0.0) / batches;
  double squares = 0.0;
  for (const double m : means) squares += (m - mean) * (m - mean);
  return {mean, std::sqrt(squares / (batches - 1) / batches)};
}

class Queueing : public ::testing::TestWithParam<double> {};  // utilisation; the service rate is 1

TEST_P(Queueing, ExponentialServiceWaitsAsMM1) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  const double rho = GetParam();
  const auto requests = poisson(rho, many, seed);
  const Philox random(seed);
  QueueCosts costs([&](uint64_t step) { return -std::log1p(-random.uniform(1000, step)); });
  const auto [wait, error] = mean_wait(requests, simulate(requests, single_server(), costs));
  EXPECT_NEAR(wait, rho / (1.0 - rho), 5.0 * error);
  EXPECT_LT(error, 0.05 * wait);  // or the line above says nothing
}

TEST_P(Queueing, FixedServiceWaitsAsMD1) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  const double rho = GetParam();
  const auto requests = poisson(rho, many, seed);
  QueueCosts costs([](uint64_t) { return 1.0; });
  const auto [wait, error] = mean_wait(requests, simulate(requests, single_server(), costs));
  EXPECT_NEAR(wait, rho / (2.0 * (1.0 - rho)), 5.0 * error);
  EXPECT_LT(error, 0.05 * wait);
}

INSTANTIATE_TEST_SUITE_P(Utilisation, Queueing, ::testing::Values(0.3, 0.6, 0.8),
                         [](const auto& test) { return fmt::format("{:.0f}percent", 100.0 * test.param); });

TEST(QueueingLaws, LittlesLawHoldsAndNothingIsLost) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  const Philox random(seed);
  for (const int64_t replicas : {1, 3, 7}) {
    const auto requests = poisson(0.9 * static_cast<double>(replicas), 20'000, seed);
    QueueCosts costs([&](uint64_t step) { return -std::log1p(-random.uniform(1000, step)); });
    const Outcome outcome = simulate(requests, single_server(replicas), costs);
    double inside = 0.0;
    int64_t late = 0;
    for (size_t i = 0; i < requests.size(); ++i) {
      const Fate& fate = outcome.fates[i];
      ASSERT_GE(fate.admitted, requests[i].arrival);
      ASSERT_GE(fate.first, fate.admitted);
      ASSERT_GE(fate.last, fate.first);
      inside += fate.last - requests[i].arrival;
      late += fate.last > requests.back().arrival ? 1 : 0;
    }
    // L = lambda W, both sides times the length of the simulation.
    EXPECT_NEAR(outcome.request_seconds, inside, 1e-9 * inside);
    EXPECT_EQ(outcome.done_by_then + outcome.in_flight, std::ssize(requests));
    EXPECT_EQ(outcome.in_flight, late);
    EXPECT_EQ(outcome.refused, 0);
  }
}

TEST(QueueingLaws, OneServerServesInOrder) {
  const auto requests = poisson(0.95, 5'000, 7);
  QueueCosts costs([](uint64_t step) { return step % 3 == 0 ? 2.0 : 0.5; });
  const Outcome outcome = simulate(requests, single_server(), costs);
  for (size_t i = 1; i < requests.size(); ++i) {
    ASSERT_GE(outcome.fates[i].admitted, outcome.fates[i - 1].last) << i;
  }
}

TEST(QueueingLaws, WaitsGrowWithTheLoad) {
  double last = 0.0;
  for (const double rate : {0.2, 0.4, 0.6, 0.8, 0.95, 1.2}) {
    const auto requests = poisson(rate, 50'000, 11);
    QueueCosts costs([](uint64_t) { return 1.0; });
    const double wait = mean_wait(requests, simulate(requests, single_server(), costs)).value;
    EXPECT_GT(wait, last) << rate;
    last = wait;
  }
}

TEST(QueueingLaws, TheRouterKeepsReplicasEvenAndAnEmptyOneNeverWaits) {
  const auto requests = poisson(3.0, 20'000, 5);
  QueueCosts costs([](uint64_t) { return 1.0; });
  const Outcome outcome = simulate(requests, single_server(8), costs);
  for (size_t i = 0; i < requests.size(); ++i) {
    // Three of eight are busy on average; with all eight busy a request waits, else it does not.
    const double wait = outcome.fates[i].admitted - requests[i].arrival;
    int64_t inside = 0;
    for (size_t before = i; before-- > 0 && requests[i].arrival - requests[before].arrival < 4.0;) {
      inside += outcome.fates[before].last > requests[i].arrival ? 1 : 0;
    }
    if (inside < 8) {
      ASSERT_EQ(wait, 0.0) << i;
    }
  }
}

TEST(QueueingLaws, RequestsThatArriveTogetherAreServedTogether) {
  std::vector<Request> requests(10, Request{.arrival = 2.0, .prompt = 1, .answer = 1});
  QueueCosts costs([](uint64_t) { return 1.0; });
  FleetConfig config = single_server();
  config.replica.room_bytes = 4.0;
  const Outcome outcome = simulate(requests, config, costs);
  EXPECT_EQ(outcome.steps.steps, 3);
  EXPECT_EQ(outcome.steps.peak_requests, 4);
  EXPECT_EQ(outcome.end, 5.0);
  config.replica.most_rows = 3;
  EXPECT_EQ(simulate(requests, config, costs).steps.steps, 4);
}

TEST(QueueingLaws, WhatCannotRunIsRefused) {
  const auto requests = poisson(1.0, 10, 3);
  QueueCosts costs([](uint64_t) { return 1.0; });
  EXPECT_THROW(simulate(requests, single_server(0), costs), UsageError);
  EXPECT_THROW(simulate(requests, single_server(most_replicas + 1), costs), UsageError);
  FleetConfig small = single_server();
  small.replica.room_bytes = 0.5;
  EXPECT_THROW(simulate(requests, small, costs), Error);
  QueueCosts broken([](uint64_t) { return std::nan(""); });
  EXPECT_THROW(simulate(requests, single_server(), broken), Error);
  FleetConfig stopped = single_server();
  stopped.interrupted = [] { return true; };
  EXPECT_THROW(simulate(poisson(1.0, 200'000, 3), stopped, costs), Error);
}

TEST(Histogram, QuantilesAreThoseOfTheSortedValues) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  std::mt19937_64 rng(seed);
  LogHistogram histogram;
  std::vector<double> values;
  for (int i = 0; i < 5'000; ++i) {
    const double value = std::exp(std::normal_distribution<double>(-3.0, 2.5)(rng));
    const auto count = static_cast<int64_t>(rng() % 4);
    histogram.add(value, count);
    values.insert(values.end(), static_cast<size_t>(count), value);
  }
  std::sort(values.begin(), values.end());
  ASSERT_EQ(histogram.total(), std::ssize(values));
  for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size()))) - 1;
    EXPECT_NEAR(histogram.quantile(q) / values[rank], 1.0, LogHistogram::relative_error) << q;
  }
  EXPECT_EQ(LogHistogram{}.quantile(0.5), 0.0);
}

}  // namespace
}  // namespace photon::testing
