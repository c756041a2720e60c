// SPDX-License-Identifier: Apache-2.0
// One budget that caches of several architectures nearly fill.
#include "bench/equal_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "bench/plan.h"
#include "bench/preset.h"
#include "bench/sweep.h"
#include "core/base/error.h"
#include "core/base/known_configs.h"
#include "core/model/model_config.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon::bench {
namespace {

/// The largest share of `budget` that whole prompts of one of the sizes leave, counted prompt by prompt.
double left_of(const std::vector<double>& sizes, int64_t budget) {
  double worst = 0.0;
  for (const double size : sizes) {
    double used = 0.0;
    while (used + size <= static_cast<double>(budget)) used += size;
    worst = std::max(worst, 1.0 - used / static_cast<double>(budget));
  }
  return worst;
}

TEST(EqualMemory, TheLeastBudgetThatAllNearlyFill) {
  testing::SpecDice dice(testing::test_seed());
  int found = 0;
  for (int i = 0; i < 60; ++i) {
    std::vector<double> sizes;
    for (int64_t n = dice(1, 5); n > 0; --n) sizes.push_back(static_cast<double>(dice(1, 90)));
    const int64_t least = dice(60, 120);
    const double within = static_cast<double>(dice(1, 15)) / 100.0;
    const CacheBudget got = equal_budget(sizes, least, within);
    EXPECT_GE(got.bytes, least);
    EXPECT_LE(got.bytes, 4 * least);
    EXPECT_NEAR(got.unused, left_of(sizes, got.bytes), 1e-12);
    // Every budget in the range, one by one.
    double best = 1.0;
    int64_t first = 0;
    for (int64_t budget = least; budget <= 4 * least; ++budget) {
      const double left = left_of(sizes, budget);
      best = std::min(best, left);
      if (first == 0 && left <= within) first = budget;
    }
    if (first > 0) {
      ++found;
      EXPECT_EQ(got.bytes, first) << "within " << within;
    } else {
      EXPECT_NEAR(got.unused, best, 1e-12) << "nothing is within: the best there is";
    }
  }
  EXPECT_GT(found, 10);
}

TEST(EqualMemory, RefusesPromptsThatNoBudgetHolds) {
  const auto message = [](double size) {
    return testing::message_of<Error>([&] { equal_budget(std::vector{3.0, size}, 100, 0.1); });
  };
  for (const double bad : {0.0, -1.0, 401.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_TRUE(testing::holds(message(bad), {"equal memory"})) << bad;
  }
}

// The shipped preset: what its rows hold at one N is equal to within its bound, on the host and on a GPU.
TEST(EqualMemory, RowsOfTheMultiQueryPresetHoldTheSame) {
  for (const char* device : {"", "cpu"}) {
    const SweepPreset preset = load_sweep_preset(find_config(ConfigKind::preset, "multi-query"), device);
    ASSERT_GT(preset.equal_within, 0.0);
    ASSERT_LE(preset.equal_within, 0.05);
    EXPECT_GE(preset.rule.min_samples, 5) << "a single run is no measurement";
    std::vector<Case> cases;
    for (const auto& file : preset.models) {
      Case like;
      like.spec = load_model_spec(file);
      like.dtype = *device == '\0' ? DType::bfloat16 : DType::float32;
      like.cache_bytes = preset.cache_bytes;
      for (const Case& c : cases_of(like, preset.sweep, [](const std::string&) {})) cases.push_back(c);
    }
    std::vector<Case*> places;
    for (Case& c : cases) places.push_back(&c);
    std::vector<std::string> said;
    equalise(places, preset.equal_within, [&](const std::string& line) { said.push_back(line); });
    EXPECT_EQ(said.size(), preset.sweep.samples_per_prompt.size());
    std::map<int64_t, std::vector<double>> held;
    for (const Case& c : cases) {
      EXPECT_GE(c.cache_bytes, preset.cache_bytes);
      const double prompt = std::round(planned_bytes_per_row(c) * static_cast<double>(c.samples_per_prompt));
      double all = 0.0;
      while (all + prompt <= static_cast<double>(c.cache_bytes)) all += prompt;
      held[c.samples_per_prompt].push_back(all);
    }
    EXPECT_EQ(held.size(), preset.sweep.samples_per_prompt.size());
    for (const auto& [samples, bytes] : held) {
      const auto [low, high] = std::minmax_element(bytes.begin(), bytes.end());
      EXPECT_EQ(bytes.size(), 5u) << "three architectures, photon in three ways";
      EXPECT_GE(*low / *high, 1.0 - preset.equal_within) << "N=" << samples << *device;
    }
  }
}

}  // namespace
}  // namespace photon::bench
