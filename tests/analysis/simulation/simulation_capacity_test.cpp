// SPDX-License-Identifier: Apache-2.0
// How many replicas a load takes: capacity arithmetic from the cost model, without the simulator's tables and
// queue, against the simulator; what the queue itself says of loads below and above.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/simulation/capacity.h"
#include "analysis/simulation/study.h"
#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/base/random.h"
#include "core/cost/floor.h"
#include "core/model/model_config.h"
#include "tests/analysis/simulation/queueing.h"
#include "tests/analysis/simulation/subjects.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

using namespace analysis::simulation;

Study study_of(const Subject& subject, double rate) {
  Study s = study_of(subject);
  s.load.arrivals = {.kind = ArrivalLaw::Kind::poisson, .rate = rate};
  s.load.requests = 2000;
  return s;
}

LengthLaw fixed(int64_t tokens) {
  return {.kind = LengthLaw::Kind::fixed, .first = static_cast<double>(tokens)};
}

double decode_floor(const Study& s, Workload w, int64_t rows) {
  if (rows == 0) return 0.0;
  w.batch = rows;
  return request_floor(s.service.spec, w, s.hardware.ceilings(s.dtype)).decode.serial_seconds;
}

/// Seconds that one replica works for one of many equal requests, each step of the full batch at its serial
/// floor.
double work_by_hand(const Study& s, int64_t prompt, int64_t answer, const Efficiency& efficiency) {
  const ModelSpec& spec = s.service.spec;
  const Workload w{.prompt = prompt, .new_tokens = answer, .generation = s.service.generation};
  const int64_t unit = spec.meta_context();
  const auto steps =
      static_cast<double>(spec.depth() == 0 ? answer : (prompt % unit + answer + unit - 1) / unit);
  const double prefill_steps = prompt / unit > 0 ? 1.0 : 0.0;  // these prompts fit one
  const double room = 0.95 * static_cast<double>(s.hardware.memory_bytes) - weights_bytes(spec, 2);
  const double held = std::ceil(kv_bytes_ideal(spec, w) + local_bytes(spec, w));
  double entering = std::floor(room / held) / (steps + prefill_steps);
  if (prefill_steps > 0.0) {
    entering = std::min(entering,
                        static_cast<double>(s.service.prefill_tokens) / static_cast<double>(prompt / unit));
  }
  const double rows = entering * steps;
  const auto whole = static_cast<int64_t>(rows);
  const double rest = rows - std::floor(rows);
  // A request takes `steps` steps of so many rows; each step belongs to all of them.
  const double decode =
      ((1.0 - rest) * decode_floor(s, w, whole) + rest * decode_floor(s, w, whole + 1)) / rows;
  // Prompts enter in whole numbers, one at least.
  Workload together = w;
  const double at_once = std::max(1.0, entering);
  const auto prefill_floor = [&](double prompts) {
    together.batch = static_cast<int64_t>(prompts);
    return request_floor(spec, together, s.hardware.ceilings(s.dtype)).prefill.serial_seconds;
  };
  const double more = at_once - std::floor(at_once);
  double prefill = (1.0 - more) * prefill_floor(std::floor(at_once)) / at_once;
  if (more > 0.0) prefill += more * prefill_floor(std::ceil(at_once)) / at_once;
  return decode / efficiency.decode + prefill / efficiency.prefill;
}

TEST(Replicas, WithoutLimitsAreWhatCapacityArithmeticSays) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  SpecDice dice(seed);
  int64_t several = 0;
  for (int repeat = 0; repeat < 50; ++repeat) {
    const Subject& subject = subjects[repeat % 4];
    Study s = study_of(subject, 1.0);
    const int64_t prompt = dice(8, 100) * 16;
    const int64_t answer = dice(1, 60) * 16;
    s.load.prompt = fixed(prompt);
    s.load.answer = fixed(answer);
    const Efficiency efficiency{0.01 * static_cast<double>(dice(5, 100)),
                                0.01 * static_cast<double>(dice(5, 100))};
    const double work = work_by_hand(s, prompt, answer, efficiency);
    // Two arithmetics round differently: no load within half a percent of a whole number of replicas.
    double load = 0.001 * static_cast<double>(dice(100, 40'000));
    while (std::ceil(0.995 * load) != std::ceil(1.005 * load))
      load = 0.001 * static_cast<double>(dice(100, 40'000));
    s.load.arrivals.rate = load / work;
    const auto expected = static_cast<int64_t>(std::ceil(load));
    EXPECT_EQ(fewest_stable(s, efficiency, nullptr), expected)
        << subject.model << ' ' << to_string(subject.generation) << ", prompt " << prompt << ", answer "
        << answer << ", load " << load;
    several += expected > 1 ? 1 : 0;
  }
  EXPECT_GT(several, 30);
}

TEST(Replicas, OfThePapersVanillaModelAt300RequestsASecondAreNineteen) {
  // 300 x 2048 tokens a second over a serial floor of 33.3 k tokens a second.
  Study s = study_of(subjects[0], 300.0);
  s.load.prompt = fixed(128);
  s.load.answer = fixed(2048);
  EXPECT_EQ(fewest_stable(s, {}, nullptr), 19);
}

TEST(Replicas, CapacityIsThatOfTheQueue) {
  QueueCosts costs([](uint64_t) { return 0.25; });
  const std::vector<Request> requests(10, Request{.arrival = 0.0, .prompt = 1, .answer = 1});
  EXPECT_NEAR(capacity_requests_per_s(requests, single_server().replica, costs), 4.0, 1e-12);
  FleetConfig four = single_server();
  four.replica.room_bytes = 4.5;
  EXPECT_NEAR(capacity_requests_per_s(requests, four.replica, costs), 16.0, 1e-12);
  four.replica.most_rows = 3;
  EXPECT_NEAR(capacity_requests_per_s(requests, four.replica, costs), 12.0, 1e-12);
  four.replica.room_bytes = 0.5;
  EXPECT_THROW(capacity_requests_per_s(requests, four.replica, costs), Error);
}

/// Memory for some sixty requests, so that a few thousand fill it often.
Study small_study(const Subject& subject) {
  Study s = study_of(subject, 1.0);
  s.load.prompt = parse_length_law("lognormal:500:0.8", "--prompt");
  s.load.answer = parse_length_law("lognormal:150:0.6", "--new");
  const Workload w{.prompt = 700, .new_tokens = 200, .generation = subject.generation};
  const double each = kv_bytes_ideal(s.service.spec, w) + local_bytes(s.service.spec, w);
  s.hardware.memory_bytes = static_cast<int64_t>((weights_bytes(s.service.spec, 2) + 60.0 * each) / 0.95);
  return s;
}

/// Requests a second at which one replica's load is 1.
double capacity_of(const Study& study) {
  Study s = study;
  s.load.requests = 100;
  return s.load.arrivals.rate / run_study(s, nullptr, {})[0].load;
}

TEST(Replicas, TheQueueGrowsAboveTheCapacityAndNotBelow) {
  for (const Subject& subject : subjects) {
    SCOPED_TRACE(fmt::format("{} {}", subject.model, to_string(subject.generation)));
    Study s = small_study(subject);
    s.load.requests = 20'000;
    const double capacity = capacity_of(s);
    s.load.arrivals.rate = 0.9 * capacity;
    const Row below = run_study(s, nullptr, {})[0];
    EXPECT_NEAR(below.load, 0.9, 1e-9);
    EXPECT_LT(static_cast<double>(below.in_flight_at_last_arrival), 0.03 * 20'000);
    s.load.arrivals.rate = 1.2 * capacity;
    const Row above = run_study(s, nullptr, {})[0];
    EXPECT_EQ(above.verdict, "overloaded");
    EXPECT_NEAR(static_cast<double>(above.in_flight_at_last_arrival) / 20'000, 1.0 - 1.0 / 1.2, 0.04);
    EXPECT_NEAR(above.requests_per_s / capacity, 1.0, 0.05);
  }
}

TEST(Replicas, WithLimitsAreNeverFewerAndDoNotHangOnTheRunsLength) {
  for (const Subject& subject : {subjects[0], subjects[2]}) {
    Study s = small_study(subject);
    s.load.arrivals.rate = 4.3 * capacity_of(s);
    s.replicas = 0;
    s.load.requests = 2000;
    const Row stable = run_study(s, nullptr, {})[0];
    EXPECT_EQ(stable.replicas, 5);
    EXPECT_EQ(stable.requests, 2000);
    s.limits.total = 3.0 * stable.total_p50_seconds;
    const Row good = run_study(s, nullptr, {})[0];
    EXPECT_GE(good.replicas, 5) << "loose limits do not make an overloaded fleet enough";
    EXPECT_GE(good.within_limits, wanted_share);
    EXPECT_NE(good.verdict, "too short");
    s.load.requests = 20'000;
    EXPECT_EQ(run_study(s, nullptr, {})[0].replicas, good.replicas);
    s.limits = {};
    s.limits.total = 1e9;  // nobody is ever late
    s.load.requests = 300;
    EXPECT_EQ(run_study(s, nullptr, {})[0].replicas, 5);
  }
}

TEST(Replicas, ARunSaysWhenItIsTooShortToTell) {
  Study s = small_study(subjects[0]);
  const double capacity = capacity_of(s);
  const auto verdict = [&](double load, int64_t requests) {
    s.load.arrivals.rate = load * capacity;
    s.load.requests = requests;
    return run_study(s, nullptr, {})[0].verdict;
  };
  EXPECT_EQ(verdict(0.5, 20'000), "steady");
  EXPECT_EQ(verdict(0.5, 60), "too short");
  EXPECT_EQ(verdict(0.93, 20'000), "near saturation");
  EXPECT_EQ(verdict(1.01, 60), "overloaded");
  s.load.arrivals = {.kind = ArrivalLaw::Kind::at_once};
  s.load.requests = 50;  // the memory holds them all
  EXPECT_EQ(run_study(s, nullptr, {})[0].verdict, "too short");
  s.load.requests = 2000;
  const Row row = run_study(s, nullptr, {})[0];
  EXPECT_EQ(row.verdict, "");
  EXPECT_TRUE(std::isnan(row.load));
  EXPECT_TRUE(std::isnan(row.ttft_p99_error_seconds));
  s.replicas = 0;
  EXPECT_THROW(run_study(s, nullptr, {}), UsageError);
}

TEST(Intervals, HoldTheQuantilesOfMM1) {
  // What one server of rate 1 does at load rho keeps a request for an exponential time of rate 1 - rho.
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  constexpr double rho = 0.6;
  constexpr int repeats = 100;
  int held_p50 = 0;
  int held_p99 = 0;
  double width = 0.0;
  for (uint64_t repeat = 0; repeat < repeats; ++repeat) {
    const Philox random(seed + repeat);
    const auto requests = make_requests({.arrivals = {.kind = ArrivalLaw::Kind::poisson, .rate = rho},
                                         .prompt = {},
                                         .answer = {},
                                         .requests = 20'000,
                                         .seed = seed + repeat},
                                        nullptr);
    QueueCosts costs([&](uint64_t step) { return -std::log1p(-random.uniform(1000, step)); });
    const FleetConfig config = single_server();
    Row row;
    summarize(requests, 1, config, simulate(requests, config, costs), {}, row);
    const double p50 = std::log(2.0) / (1.0 - rho);
    const double p99 = std::log(100.0) / (1.0 - rho);
    held_p50 += std::abs(row.total_p50_seconds - p50) <= row.total_p50_error_seconds ? 1 : 0;
    held_p99 += std::abs(row.total_p99_seconds - p99) <= row.total_p99_error_seconds ? 1 : 0;
    width += row.total_p99_error_seconds / p99 / repeats;
  }
  // 95 of 100 are meant; neighbouring batches depend on one another a little.
  EXPECT_GE(held_p50, 85);
  EXPECT_GE(held_p99, 80);
  EXPECT_LT(width, 0.25);
}

TEST(Limits, ATokenIsATokenInAllArchitectures) {
  // Equal times a token: one unit of 16 tokens in 16 steps' time, or 16 units of one.
  for (const int64_t unit : {int64_t{1}, int64_t{16}}) {
    class Steps final : public StepCosts {
     public:
      explicit Steps(int64_t tokens) : tokens_(tokens) {}
      ServicePlan plan(const Request& r) const override {
        ServicePlan plan;
        plan.decode_steps = r.answer / tokens_;
        plan.held_bytes = plan.prefill_bytes = 1.0;
        return plan;
      }
      double step_seconds(std::span<const PrefillPiece>, std::span<const DecodeRow>) override {
        return 0.01 * static_cast<double>(tokens_);
      }

     private:
      int64_t tokens_;
    } costs(unit);
    const std::vector<Request> requests(1, Request{.arrival = 0.0, .prompt = 16, .answer = 160});
    const FleetConfig config = single_server();
    const Outcome outcome = simulate(requests, config, costs);
    const auto good = [&](Limits limits) {
      Row row;
      summarize(requests, unit, config, outcome, limits, row);
      EXPECT_NEAR(row.token_p50_seconds, 0.01, 1e-12);
      EXPECT_NEAR(row.total_p50_seconds, 1.6, 1e-12);
      EXPECT_NEAR(row.goodput_requests_per_s, row.within_limits * row.requests_per_s, 1e-12);
      return row.within_limits == 1.0;
    };
    EXPECT_TRUE(good({.token = 0.0101}));
    EXPECT_FALSE(good({.token = 0.0099}));
    EXPECT_TRUE(good({.total = 1.601}));
    EXPECT_FALSE(good({.total = 1.599}));
    EXPECT_EQ(good({.burst = 0.1}), unit == 1) << "a burst is a meta-context";
  }
}

}  // namespace
}  // namespace photon::testing
