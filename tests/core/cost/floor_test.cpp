// SPDX-License-Identifier: Apache-2.0
#include "core/cost/floor.h"
#include "core/base/paths.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iostream>
#include <limits>

#include "core/base/error.h"
#include "core/cost/hardware.h"
#include "core/model/model_config.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon {
namespace {

const std::filesystem::path configs = share_folder() / "configs";

ModelSpec model(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return load_model_spec(configs / "models" / (name + ".toml"), overrides);
}

uint64_t printed_seed() {
  const uint64_t seed = testing::test_seed();
  std::cout << "PHOTON_TEST_SEED=" << seed << '\n';
  return seed;
}

Ceilings ceilings(double bandwidth, double matrix_rate, double launch = 0.0) {
  Ceilings c;
  c.bandwidth = bandwidth;
  c.matrix_rate = matrix_rate;
  c.launch_seconds = launch;
  return c;
}

double serial(const RequestFloor& f) {
  return f.prefill.serial_seconds + f.decode.serial_seconds;
}

// Rounding of sums in different orders.
double slack(double seconds) {
  return seconds * (1.0 + 1e-12);
}

TEST(Floor, OrderAndMonotonicity) {
  testing::SpecDice dice(printed_seed());
  for (int i = 0; i < 120; ++i) {
    const ModelSpec spec = dice.spec(i % 4);
    Ceilings c = ceilings(static_cast<double>(dice(1, 10'000)), static_cast<double>(dice(1, 100'000)));
    c.cache_bandwidth = c.bandwidth * static_cast<double>(dice(1, 8));
    c.cache_bytes = dice(0, 20'000);
    Workload w{.prompt = dice(1, 80), .new_tokens = dice(1, 60), .batch = dice(1, 50)};
    if (spec.depth() >= 2 && dice(0, 1) == 1) w.generation = Generation::recgen;
    SCOPED_TRACE(fmt::format("spec {}, P {}, N {}, batch {}", i, w.prompt, w.new_tokens, w.batch));
    const RequestFloor one = request_floor(spec, w, c);
    const RequestFloor two = request_floor(spec, w, c, MemoryLevels::two);
    for (const RequestFloor* f : {&one, &two}) {
      EXPECT_LE(f->prefill.seconds, slack(f->prefill.serial_seconds));
      EXPECT_LE(f->decode.seconds, slack(f->decode.serial_seconds));
      EXPECT_GT(f->decode.seconds, 0.0);
    }
    EXPECT_LE(two.prefill.seconds, slack(one.prefill.seconds));
    EXPECT_LE(two.decode.seconds, slack(one.decode.seconds));
    EXPECT_LE(serial(two), slack(serial(one)));
    // No floor is below what bytes alone or FLOPs alone take.
    EXPECT_GE(slack(one.decode.seconds), one.decode.work.floor_bytes() / c.bandwidth);
    EXPECT_GE(slack(one.decode.seconds), one.decode.work.flops / c.matrix_rate);

    const RequestFloor kept = request_floor(request_cost(spec, w), c, MemoryLevels::two);
    EXPECT_EQ(kept.decode.seconds, two.decode.seconds);
    EXPECT_EQ(kept.prefill.serial_seconds, two.prefill.serial_seconds);

    Workload more = w;
    more.batch += dice(1, 10);
    EXPECT_LE(one.seconds(), slack(request_floor(spec, more, c).seconds()));
    EXPECT_LE(serial(one), slack(serial(request_floor(spec, more, c))));
    more = w;
    more.prompt += spec.meta_context() * dice(1, 5);  // the same tokens are left over for decoding
    EXPECT_LE(one.seconds(), slack(request_floor(spec, more, c).seconds()));
    EXPECT_LE(serial(one), slack(serial(request_floor(spec, more, c))));
  }
}

TEST(Floor, WhatPrefillReadStaysInTheCache) {
  const ModelSpec spec = model("vanilla-tiny");
  Ceilings c = ceilings(1e9, 1e30);
  c.cache_bandwidth = 1e12;
  c.cache_bytes = int64_t{1} << 30;
  const RequestFloor f = request_floor(spec, {.prompt = 8, .new_tokens = 4}, c, MemoryLevels::two);
  const double weights = f.decode.work.weight_bytes;
  EXPECT_NEAR(f.decode.serial_seconds, weights / 1e12 + f.decode.work.kv_bytes() / 1e9,
              1e-12 * f.decode.serial_seconds);
  EXPECT_NEAR(f.prefill.serial_seconds, f.prefill.work.floor_bytes() / 1e9, 1e-12 * f.prefill.serial_seconds);
}

TEST(Floor, BoundIsTheLargestOfThree) {
  const ModelSpec spec = model("photon-tiny");
  const Workload w{.prompt = 64, .new_tokens = 64, .batch = 4};
  const auto bounds = [&](const Ceilings& c) {
    const RequestFloor f = request_floor(spec, w, c);
    EXPECT_EQ(f.prefill.bound, f.decode.bound);
    return f.decode.bound;
  };
  EXPECT_EQ(bounds(ceilings(1.0, 1e30)), Bound::bandwidth);
  EXPECT_EQ(bounds(ceilings(1e30, 1.0)), Bound::compute);
  EXPECT_EQ(bounds(ceilings(1e12, 1e15, 1e-3)), Bound::launch);
  EXPECT_EQ(bounds(ceilings(1.0, 1e30, 1e-6)), Bound::bandwidth);
  const RequestFloor nothing = request_floor(spec, {.prompt = 3, .new_tokens = 1}, ceilings(1.0, 1.0));
  EXPECT_EQ(nothing.prefill.seconds, 0.0);
}

TEST(Floor, RefusesMissingCeilings) {
  const ModelSpec spec = model("vanilla-tiny");
  const Workload w{.prompt = 1, .new_tokens = 1};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {0.0, -1.0, nan}) {
    EXPECT_THROW(request_floor(spec, w, ceilings(bad, 1.0)), Error) << bad;
    EXPECT_THROW(request_floor(spec, w, ceilings(1.0, bad)), Error) << bad;
  }
}

TEST(Floor, TheLargestBatchFitsAndOneMoreDoesNot) {
  testing::SpecDice dice(printed_seed());
  for (int i = 0; i < 100; ++i) {
    const ModelSpec spec = dice.spec(i % 4);
    Workload w{.prompt = dice(1, 90), .new_tokens = 64, .samples = dice(1, 4)};
    const int64_t memory = static_cast<int64_t>(1.1 * weights_bytes(spec, 2)) + dice(10'000, 3'000'000);
    const double room = 0.95 * static_cast<double>(memory) - weights_bytes(spec, 2);
    const double prompt = kv_bytes_ideal(spec, w) * static_cast<double>(w.samples);
    if (prompt > room) {
      EXPECT_THROW(largest_batch(spec, w, memory), Error);
      EXPECT_EQ(fitting_batch(spec, w, memory), 0);
      continue;
    }
    const auto batch = static_cast<double>(largest_batch(spec, w, memory));
    EXPECT_EQ(fitting_batch(spec, w, memory), largest_batch(spec, w, memory));
    if (prompt == 0.0) continue;
    EXPECT_LE(batch * prompt, room * (1.0 + 1e-12));
    EXPECT_GT((batch + 1.0) * prompt, room * (1.0 - 1e-12));
  }
  EXPECT_THROW(largest_batch(model("vanilla-600m"), {.prompt = 1, .new_tokens = 1}, 1'000'000'000), Error);
  EXPECT_THROW(largest_batch(model("vanilla-600m"), {.prompt = 1, .new_tokens = 1, .samples = 0}, 1 << 30),
               Error);
}

// The speeds aimed at on an H200: serial floor at the largest batch, times the fraction aimed at.
TEST(Floor, TargetsOnAnH200) {
  struct Row {
    const char* model;
    Generation generation;
    double fraction;
    double ktokens;
  };
  const Hardware h200 = load_hardware(configs / "hardware" / "h200.toml");
  for (const Row& row : {Row{"vanilla-600m", Generation::hiergen, 0.80, 27.0},
                         {"block-600m", Generation::hiergen, 0.65, 325.0},
                         {"photon-600m", Generation::hiergen, 0.65, 530.0},
                         {"photon-600m", Generation::recgen, 0.65, 930.0}}) {
    const ModelSpec spec = model(row.model);
    Workload w{.prompt = 128, .new_tokens = 2048, .generation = row.generation};
    w.batch = largest_batch(spec, w, h200.memory_bytes);
    const RequestFloor f = request_floor(spec, w, h200.ceilings(DType::bfloat16));
    const double rate = static_cast<double>(w.sequences() * w.new_tokens) / serial(f) / 1e3;
    EXPECT_NEAR(row.fraction * rate, row.ktokens, 0.03 * row.ktokens)
        << row.model << ", " << to_string(row.generation) << ", batch " << w.batch;
  }
}

}  // namespace
}  // namespace photon
