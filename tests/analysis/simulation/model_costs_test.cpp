// SPDX-License-Identifier: Apache-2.0
// The simulator's step times and memory against the cost model that they are compiled from.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "analysis/simulation/fleet.h"
#include "analysis/simulation/model_costs.h"
#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/model/model_config.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

using namespace analysis::simulation;

Ceilings h200() {
  Ceilings c;
  c.bandwidth = 4.3e12;
  c.matrix_rate = 7.88e14;
  return c;
}

/// Ceilings between which random small models are bound by memory here and by arithmetic there.
Ceilings random_ceilings(SpecDice& dice) {
  Ceilings c;
  c.bandwidth = static_cast<double>(dice(1, 1000));
  c.matrix_rate = static_cast<double>(dice(1, 3000));
  return c;
}

ModelSpec paper_spec(const std::string& name) {
  return load_model_spec(share_folder() / "configs" / "models" / (name + ".toml"));
}

Workload workload_of(const Service& s, int64_t prompt, int64_t answer, int64_t batch) {
  return {.prompt = prompt,
          .new_tokens = answer,
          .batch = batch,
          .samples = s.samples,
          .generation = s.generation,
          .weight_bytes = s.weight_bytes,
          .kv_bytes = s.kv_bytes};
}

/// Serial time of forwards in which the attention of a level is one operation: where a step makes several
/// units of a level, the simulator knows their sum alone, and a sum on both sides of the ridge between memory
/// and arithmetic is faster than its terms one after another.
double step_seconds(const Forwards& forwards, const Ceilings& c) {
  double seconds = 0.0;
  std::map<int, std::pair<double, double>> attention;  // by level: of memory, of arithmetic
  for (const Forward& forward : forwards) {
    for (const Operation& op : forward) {
      const double memory = op.work.floor_bytes() / c.bandwidth;
      const double arithmetic = op.work.flops / c.matrix_rate;
      if (op.kind == Operation::Kind::attention) {
        attention[op.level].first += memory;
        attention[op.level].second += arithmetic;
      } else {
        seconds += std::max(memory, arithmetic);
      }
    }
  }
  for (const auto& [level, times] : attention) seconds += std::max(times.first, times.second);
  return seconds;
}

/// Time of a request's prefill and of each of its decode steps by the exact model.
struct ExactTimes {
  double prefill = 0.0;
  std::vector<double> steps;

  double whole() const { return std::accumulate(steps.begin(), steps.end(), prefill); }
};

ExactTimes exact_times(const Service& s, const Workload& w, const Ceilings& c) {
  ExactTimes times;
  visit_request(
      s.spec, w, [&](const Forwards& forwards) { times.prefill = step_seconds(forwards, c); },
      [&](const Forwards& forwards) { times.steps.push_back(step_seconds(forwards, c)); });
  return times;
}

TEST(ModelCosts, ALoneRequestTakesItsSerialFloor) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  SpecDice dice(seed);
  for (int repeat = 0; repeat < 60; ++repeat) {
    Service s{.spec = dice.spec(repeat % 4)};
    if (s.spec.depth() >= 2 && dice(0, 1) == 1) s.generation = Generation::recgen;
    // Windows are the table's business.
    for (LevelSpec& level : s.spec.levels) level.encoder_window = {};
    s.samples = dice(1, 3);
    s.prefill_tokens = longest_text;
    const int64_t unit = s.spec.meta_context();
    // A shorter prompt may hold less than reading `literal` reconstructs of it.
    const int64_t prompt = unit * dice(8, 300) + dice(0, unit - 1);
    const Request request{.arrival = 1.5, .prompt = prompt, .answer = dice(2, 4 * unit)};
    const Ceilings ceilings = random_ceilings(dice);
    ModelCosts costs(s, ceilings, {}, prompt + request.answer);

    FleetConfig config;
    config.replica.room_bytes = 1e18;
    config.replica.prefill_units = costs.prefill_units();
    config.replica.samples = s.samples;
    const Outcome outcome = simulate(std::span(&request, 1), config, costs);

    const Workload w = workload_of(s, prompt, request.answer, 1);
    const ExactTimes exact = exact_times(s, w, ceilings);
    const bool vanilla = s.spec.depth() == 0;
    // Sums of some thousand times; a table that is straight errs by rounding alone.
    constexpr double tolerance = 1e-9;
    const auto since_admission = [&](double at) { return at - outcome.fates[0].admitted; };
    const std::string what =
        fmt::format("{} levels, prompt {}, answer {}", s.spec.depth(), prompt, request.answer);
    EXPECT_NEAR(outcome.steps.busy_seconds / exact.whole(), 1.0, tolerance) << what;
    EXPECT_NEAR(since_admission(outcome.fates[0].done) / exact.whole(), 1.0, tolerance) << what;
    // A vanilla model's last step, whose output nobody waits for, is work all the same.
    EXPECT_NEAR(since_admission(outcome.fates[0].last) /
                    (vanilla ? exact.whole() - exact.steps.back() : exact.whole()),
                1.0, tolerance)
        << what;
    EXPECT_NEAR(
        since_admission(outcome.fates[0].first) / (vanilla ? exact.prefill : exact.prefill + exact.steps[0]),
        1.0, tolerance)
        << what;
    EXPECT_EQ(outcome.steps.steps, std::ssize(exact.steps) + 1) << what;
    const RequestFloor floor = request_floor(s.spec, w, ceilings);
    EXPECT_GE(outcome.steps.busy_seconds, (floor.prefill.seconds + floor.decode.seconds) * (1.0 - tolerance))
        << what;
    EXPECT_LE(outcome.steps.busy_seconds,
              (floor.prefill.serial_seconds + floor.decode.serial_seconds) * (1.0 + tolerance))
        << what;
  }
}

TEST(ModelCosts, BatchesAndSamplesTakeTheirSerialFloor) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  SpecDice dice(seed);
  for (int repeat = 0; repeat < 80; ++repeat) {
    Service s{.spec = dice.spec(repeat % 4)};
    if (s.spec.depth() >= 2 && dice(0, 1) == 1) s.generation = Generation::recgen;
    s.samples = dice(1, 5);
    const int64_t unit = s.spec.meta_context();
    const int64_t prompt_units = dice(1, 2000);
    const int64_t steps = dice(1, 100);
    const int64_t batch = dice(1, 40);
    const Ceilings ceilings = random_ceilings(dice);
    const Workload w = workload_of(s, prompt_units * unit, steps * unit, batch);
    ModelCosts costs(s, ceilings, {}, w.prompt + w.new_tokens);
    double exact = 0.0;  // of the last step
    visit_request(
        s.spec, w, [](const Forwards&) {},
        [&](const Forwards& forwards) { exact = step_seconds(forwards, ceilings); });
    const std::vector<DecodeRow> rows(static_cast<size_t>(batch),
                                      {0, prompt_units, prompt_units + steps - 1});
    EXPECT_NEAR(costs.step_seconds({}, rows) / exact, 1.0, ContextTable::relative_error)
        << s.spec.depth() << " levels, " << prompt_units << " + " << steps << " units, " << batch << " x "
        << s.samples;
  }
}

TEST(ModelCosts, TheTableErrsWhereAWindowFillsAndNowhereElse) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  SpecDice dice(seed);
  for (int repeat = 0; repeat < 50; ++repeat) {
    const auto window = static_cast<double>(dice(1, 100'000));
    const double slope = static_cast<double>(dice(1, 100)) / 7.0;
    const auto straight = [&](int64_t unit) { return 3.0 + slope * static_cast<double>(unit); };
    const auto bent = [&](int64_t unit) { return slope * std::min(static_cast<double>(unit), window); };
    const int64_t last = dice(1, 1'000'000);
    const ContextTable line(last, straight);
    const ContextTable kink(last, bent);
    for (int probe = 0; probe < 200; ++probe) {
      const int64_t at = dice(0, last);
      EXPECT_NEAR(line.at(at) / straight(at), 1.0, 1e-9);
      EXPECT_NEAR(kink.at(at), bent(at), ContextTable::relative_error * bent(at) + 1e-9);
    }
  }
}

TEST(ModelCosts, UnequalContextsCostWhatTheyReadTogether) {
  Service s{.spec = paper_spec("vanilla-600m")};
  ModelCosts costs(s, h200(), {}, 1 << 20);
  const auto seconds = [&](const std::vector<int64_t>& contexts) {
    std::vector<DecodeRow> rows;
    for (const int64_t c : contexts) rows.push_back({0, c, c});
    return costs.step_seconds({}, rows);
  };
  const double mixed = seconds({1000, 50'000, 300'000});
  EXPECT_NEAR(mixed / seconds({117'000, 117'000, 117'000}), 1.0, 1e-9);
  EXPECT_GT(mixed, seconds({1000, 50'000, 200'000}));
}

TEST(ModelCosts, APromptInPiecesComputesTheSameAndReadsMore) {
  for (const char* const name : {"vanilla-600m", "block-600m", "photon-600m"}) {
    const Service s{.spec = paper_spec(name)};
    ModelCosts costs(s, h200(), {}, 1 << 20);
    const int64_t units = (1 << 18) / s.spec.meta_context();
    const PrefillPiece whole{0, units, true};
    const double at_once = costs.step_seconds(std::span(&whole, 1), {});
    double in_pieces = 0.0;
    for (int64_t from = 0; from < units; from += costs.prefill_units()) {
      const int64_t to = std::min(units, from + costs.prefill_units());
      const PrefillPiece piece{from, to, to == units};
      in_pieces += costs.step_seconds(std::span(&piece, 1), {});
    }
    EXPECT_GE(in_pieces, at_once * (1.0 - 1e-12)) << name;
    EXPECT_LE(in_pieces, at_once * 1.15) << name;
  }
}

TEST(ModelCosts, MemoryIsThatOfTheCacheModel) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  SpecDice dice(seed);
  for (int repeat = 0; repeat < 100; ++repeat) {
    Service s{.spec = dice.spec(repeat % 4)};
    if (s.spec.depth() >= 2 && dice(0, 1) == 1) s.generation = Generation::recgen;
    s.samples = dice(1, 5);
    const Request r{.arrival = 0.0, .prompt = dice(1, 5000), .answer = dice(1, 500)};
    const ModelCosts costs(s, h200(), {}, 10'000);
    const Workload w = workload_of(s, r.prompt, r.answer, 1);
    const double expected =
        static_cast<double>(s.samples) * (kv_bytes_ideal(s.spec, w) + local_bytes(s.spec, w));
    EXPECT_NEAR(costs.plan(r).held_bytes, expected, 1.0 + 1e-9 * expected);
    EXPECT_GE(costs.plan(r).held_bytes, expected * (1.0 - 1e-12));
  }
}

TEST(ModelCosts, ASharedPrefixIsHeldAndReadOnce) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  SpecDice dice(seed);
  for (int repeat = 0; repeat < 60; ++repeat) {
    Service s{.spec = dice.spec(repeat % 4)};
    const int64_t unit = s.spec.meta_context();
    const int64_t prefix_units = dice(1, 200);
    const int64_t requests = dice(2, 6);
    const int64_t steps = dice(1, 5);
    // As if one prompt, the prefix, had several samples that begin with a given unit.
    const Workload same{.prompt = prefix_units * unit,
                        .new_tokens = (1 + steps) * unit,
                        .samples = requests,
                        .weight_bytes = s.weight_bytes,
                        .kv_bytes = s.kv_bytes};
    s.shared_prefix = prefix_units * unit + dice(0, unit - 1);
    const Ceilings ceilings = random_ceilings(dice);
    ModelCosts costs(s, ceilings, {}, same.prompt + same.new_tokens);
    const ServicePlan plan =
        costs.plan({.arrival = 0.0, .prompt = same.prompt + unit, .answer = steps * unit});
    EXPECT_EQ(plan.shared_units, prefix_units);
    EXPECT_EQ(plan.prompt_units, prefix_units + 1);

    const int64_t memory = int64_t{1} << 40;
    Service unshared = s;
    unshared.shared_prefix = 0;
    const double prefix_bytes =
        ModelCosts(unshared, ceilings, {}, 100).room_bytes(memory) - costs.room_bytes(memory);
    const double expected =
        static_cast<double>(requests) * (kv_bytes_ideal(s.spec, same) + local_bytes(s.spec, same));
    bool windows = false;
    for (const LevelSpec& level : s.spec.levels) windows |= level.encoder_window != EncoderWindow{};
    if (!windows) {  // behind a window the prefix is kept all the same: new requests begin with it
      const double held = prefix_bytes + static_cast<double>(requests) * plan.held_bytes;
      EXPECT_NEAR(held, expected, static_cast<double>(requests) + 1e-9 * expected);
    }

    const std::vector<double> exact = exact_times({.spec = s.spec}, same, ceilings).steps;
    const std::vector<DecodeRow> rows(
        static_cast<size_t>(requests),
        {plan.shared_units, plan.prompt_units, plan.prompt_units + (s.spec.depth() == 0 ? 0 : steps - 1)});
    const double expected_seconds = s.spec.depth() == 0 ? exact[1] : exact.back();
    EXPECT_NEAR(costs.step_seconds({}, rows) / expected_seconds, 1.0, ContextTable::relative_error)
        << s.spec.depth() << " levels";
  }
}

TEST(ModelCosts, EfficiencyDividesAndLaunchesBound) {
  const Service s{.spec = paper_spec("photon-600m")};
  Ceilings ceilings = h200();
  const std::vector<DecodeRow> rows(3, {0, 100, 120});
  const PrefillPiece piece{0, 50, true};
  const auto seconds = [&](const Efficiency& e, bool prefill) {
    ModelCosts costs(s, ceilings, e, 1 << 16);
    return prefill ? costs.step_seconds(std::span(&piece, 1), {}) : costs.step_seconds({}, rows);
  };
  EXPECT_NEAR(seconds({0.5, 1.0}, true), 2.0 * seconds({}, true), 1e-12);
  EXPECT_EQ(seconds({0.5, 1.0}, false), seconds({}, false));
  EXPECT_NEAR(seconds({1.0, 0.25}, false), 4.0 * seconds({}, false), 1e-12);
  ceilings.launch_seconds = 1.0;
  ModelCosts costs(s, ceilings, {}, 1 << 16);
  for (const int64_t batch : {1, 2, 3, 4, 5, 6, 40}) {
    double launches = 0.0;
    const auto cost = request_cost(s.spec, workload_of(s, 1600, 16, batch));
    for (const Forward& forward : cost.decode[0]) {
      for (const Operation& op : forward) launches += op.launches;
    }
    EXPECT_EQ(costs.step_seconds({}, std::vector<DecodeRow>(static_cast<size_t>(batch), {0, 100, 120})),
              launches)
        << batch << " rows";
  }
}

TEST(ModelCosts, WhatMakesNoServiceIsRefused) {
  Service s{.spec = paper_spec("block-600m")};
  EXPECT_THROW(ModelCosts(s, Ceilings{}, {}, 1000), Error);
  EXPECT_THROW(ModelCosts(s, h200(), {0.0, 1.0}, 1000), UsageError);
  EXPECT_THROW(ModelCosts(s, h200(), {1.0, 1.01}, 1000), UsageError);
  EXPECT_THROW(ModelCosts(s, h200(), {1.0, std::nan("")}, 1000), UsageError);
  EXPECT_THROW(ModelCosts(s, h200(), {}, 1000).room_bytes(1 << 20), Error);
  s.generation = Generation::recgen;  // of one level
  EXPECT_THROW(ModelCosts(s, h200(), {}, 1000), Error);
  s = {.spec = paper_spec("block-600m"), .samples = 0};
  EXPECT_THROW(ModelCosts(s, h200(), {}, 1000), UsageError);
  s = {.spec = paper_spec("block-600m"), .shared_prefix = -1};
  EXPECT_THROW(ModelCosts(s, h200(), {}, 1000), UsageError);
}

}  // namespace
}  // namespace photon::testing
