// SPDX-License-Identifier: Apache-2.0
// When warm-up ends, what ends the runs, and which of them count on a device that is held back.
#include "bench/sampling.h"

#include <gtest/gtest.h>

#include <random>

#include "bench/runner.h"
#include "bench/timings.h"
#include "bench/training.h"
#include "tests/bench/fake.h"
#include "tests/support.h"

namespace photon::bench {
namespace {

const SamplingRule rule{.min_samples = 4, .max_samples = 30, .max_seconds = 1e4, .target_error = 0.01};

class SamplingTest : public ::testing::Test {
 protected:
  Timings run(const SamplingRule& by = rule) {
    const Case c = small_case(1);
    auto sampler = request_sampler(backend_, model_, request_of(c, c.batch, 1), by, {});
    const auto stop = sampler.take_all();
    return sampler.finish(stop.value());
  }

  FakeBackend backend_;
  FakeModel model_{small_spec(1), backend_.device};
};

TEST_F(SamplingTest, WarmsUpUntilTheClockStandsStill) {
  backend_.device.clock_mhz = [](int runs) { return std::min(300.0 + 400.0 * runs, 1980.0); };
  const Timings t = run();
  // 300, 700, 1100, 1500, 1900, 1980, 1980: the sixth run changes nothing any more.
  EXPECT_EQ(backend_.device.runs, 6 + 4);
  EXPECT_EQ(t.clock_before_mhz, 1980.0);
  EXPECT_EQ(t.clock_after_mhz, 1980.0);
  EXPECT_EQ(t.stop_text, "steady");
  EXPECT_EQ(t.dropped, 0);
}

TEST_F(SamplingTest, ARestlessOrUnknownClockEndsTheWarmUpAllTheSame) {
  backend_.device.clock_mhz = [](int runs) { return runs % 2 == 0 ? 500.0 : 1500.0; };
  run();
  EXPECT_EQ(backend_.device.runs, 20 + 4);
  backend_.device = {};
  backend_.device.clock_mhz = [](int) { return 0.0; };
  run();
  EXPECT_EQ(backend_.device.runs, 1 + 4);
  backend_.device = {};
  backend_.device.clock_mhz = [](int runs) { return 1e3 + 100.0 * runs; };
  SamplingRule no_time = rule;
  no_time.max_seconds = 1e-9;
  EXPECT_EQ(run(no_time).stop_text, "time");
  EXPECT_EQ(backend_.device.runs, 1 + 1);
}

TEST_F(SamplingTest, EndsWithWhatThereIsOnceItIsEnough) {
  SamplingRule until_third = rule;
  int asked = 0;
  until_third.enough = [&] { return ++asked == 3; };
  until_third.target_error = 0.0;
  const Timings t = run(until_third);
  EXPECT_EQ(t.total.size(), 3u);
  EXPECT_EQ(t.stop_text, "time");
  asked = 0;
  const TrainingCase c{.spec = small_spec(2), .rows = 3, .length = 8, .loss = {}, .seed = 1};
  const auto steps = measure_training(backend_, c, {}, until_third, {});
  ASSERT_TRUE(steps);
  EXPECT_EQ(steps->samples, 3);
  EXPECT_EQ(steps->stop_text, "time");
}

TEST_F(SamplingTest, RunsThatWereHeldBackAreLeftOutAndCounted) {
  backend_.device.held_back_by = [](int runs) { return runs == 3 || runs == 5 ? "power limit" : ""; };
  const Timings t = run();  // run 1 warms up; 2, 4, 6 and 7 count
  EXPECT_EQ(backend_.device.runs, 7);
  EXPECT_EQ(t.total.size(), 4u);
  EXPECT_EQ(t.dropped, 2);
  EXPECT_EQ(t.stop_text, "steady");
  EXPECT_EQ(t.held_back_by, "power limit");
  EXPECT_EQ(t.burst_gaps.size() % t.total.size(), 0u) << "gaps of dropped runs are dropped as well";
}

TEST_F(SamplingTest, WhereAllAreHeldBackAllCountAndTheRowSaysSo) {
  backend_.device.held_back_by = [](int) { return "temperature"; };
  const Timings t = run();
  EXPECT_EQ(t.total.size(), 4u) << "known after the first four, which are kept after all";
  EXPECT_EQ(t.dropped, 0);
  EXPECT_EQ(t.stop_text, "steady; held back by temperature");

  // One free run does not stand for a device that is held back in all others.
  backend_.device.runs = 0;
  backend_.device.held_back_by = [](int runs) { return runs == 2 ? "" : "temperature"; };
  const Timings mostly = run();
  EXPECT_EQ(mostly.total.size(), 5u);
  EXPECT_EQ(mostly.dropped, 0);
  EXPECT_EQ(mostly.stop_text, "steady; held back by temperature");

  SamplingRule no_time = rule;
  no_time.max_seconds = 1e-9;
  backend_.device.runs = 0;
  backend_.device.held_back_by = [](int) { return "temperature"; };
  const Timings single = run(no_time);
  EXPECT_EQ(single.total.size(), 1u) << "a row without a run would be none";
  EXPECT_EQ(single.stop_text, "time; held back by temperature");
}

TEST(HeldBack, NoRunIsCountedTwiceOrLost) {
  std::mt19937_64 random(photon::testing::test_seed());
  for (int round = 0; round < 500; ++round) {
    const int64_t least = 1 + static_cast<int64_t>(random() % 6);
    const uint64_t in_eight = random() % 9;
    HeldBack held_back(least);
    int64_t kept = 0, aside = 0;
    for (int run = 1; run <= 40; ++run) {
      switch (held_back.judge(random() % 8 < in_eight ? "power" : "")) {
        case HeldBack::Answer::keep:
          ++kept;
          break;
        case HeldBack::Answer::drop:
          ++aside;
          break;
        case HeldBack::Answer::keep_all_so_far:
          kept += aside + 1;
          aside = 0;
      }
      ASSERT_EQ(kept + aside, run);
      ASSERT_EQ(held_back.runs(), run);
      ASSERT_EQ(held_back.dropped(), aside);
      ASSERT_TRUE(aside < least || aside <= kept) << "more dropped than kept";
    }
  }
}

TEST_F(SamplingTest, TrainingStepsFollowTheSameRule) {
  const TrainingCase c{.spec = small_spec(2), .rows = 3, .length = 8, .loss = {}, .seed = 1};
  SamplingRule three = rule;
  three.target_error = 1e9;
  backend_.device.held_back_by = [](int steps) { return steps == 2 ? "power limit" : ""; };
  const auto result = measure_training(backend_, c, {}, three, {});
  ASSERT_TRUE(result);
  ResultRow row;
  fill_row(row, c, "fake", backend_, *result);
  EXPECT_EQ(row.text("samples"), "4");
  EXPECT_EQ(row.text("samples_dropped"), "1");
  EXPECT_EQ(row.text("stop"), "steady");
  EXPECT_EQ(backend_.device.steps, 1 + 5);
}

TEST_F(SamplingTest, TheRowSaysWhyTheRunsEndedAndHowManyWereDropped) {
  RunnerOptions options;
  options.rule = rule;
  options.rule.max_samples = 5;
  options.rule.target_error = 0.0;
  backend_.device.held_back_by = [](int runs) { return runs == 4 ? "power limit" : ""; };
  Runner runner(backend_, options, {});
  const auto row = runner.measure(small_case(1), model_);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->text("stop"), "samples");
  EXPECT_EQ(row->text("samples"), "4");
  EXPECT_EQ(row->text("samples_dropped"), "1");
}

}  // namespace
}  // namespace photon::bench
