// SPDX-License-Identifier: Apache-2.0
// Presets that are sweeps: what they may say, and what they say about a slow device.
#include "bench/preset.h"

#include <gtest/gtest.h>

#include "bench/sweep.h"
#include "core/base/error.h"
#include "core/base/known_configs.h"
#include "core/model/model_config.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::bench {
namespace {

using photon::testing::holds;
using photon::testing::message_of;

const std::string text = R"(device = "cuda"
max_seconds = 2.5
min_samples = 3
[sweep]
models = ["configs/models/vanilla-tiny.toml"]
regimes = "pf,de"
generations = "hiergen,recgen"
schedules = "unrolled"
batches = "1,2-8*2,max"
samples_per_prompt = "1,3"
[scaled]
devices = ["cpu"]
max_seconds = 0.5
cache_mib = 3
[scaled.sweep]
regimes = "pf/8"
)";

class SweepPresetTest : public ::testing::Test {
 protected:
  SweepPreset load(const std::string& device, const std::string& from = "", const std::string& to = "") {
    std::string changed = text;
    if (!from.empty()) changed.replace(changed.find(from), from.size(), to);
    photon::testing::write_text(folder_ / "p.toml", changed);
    return load_sweep_preset(folder_ / "p.toml", device);
  }
  photon::testing::TempFolder folder_;
};

TEST_F(SweepPresetTest, SaysTheSweep) {
  const SweepPreset p = load("");
  EXPECT_EQ(p.device, "cuda");
  EXPECT_FALSE(p.dtype);
  EXPECT_EQ(p.rule.max_seconds, 2.5);
  EXPECT_EQ(p.sweep.regimes, (std::vector<Regime>{{"pf", 2048, 128}, {"de", 128, 2048}}));
  EXPECT_EQ(p.sweep.generations, (std::vector{Generation::hiergen, Generation::recgen}));
  EXPECT_EQ(p.sweep.schedules, (std::vector{Schedule::unrolled}));
  EXPECT_EQ(p.sweep.batches, (std::vector<int64_t>{1, 2, 4, 8, sweep_max}));
  EXPECT_EQ(p.sweep.samples_per_prompt, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(p.cache_bytes, 0);
  EXPECT_TRUE(p.scaled.empty());
  EXPECT_TRUE(is_sweep_preset(folder_ / "p.toml"));
  EXPECT_FALSE(is_sweep_preset(find_config(ConfigKind::preset, "h200-acceptance")));
}

TEST_F(SweepPresetTest, ASlowDeviceGetsLessAndTheReaderIsTold) {
  const SweepPreset p = load("cpu");
  EXPECT_EQ(p.device, "cpu");
  EXPECT_EQ(p.rule.max_seconds, 0.5);
  EXPECT_EQ(p.rule.min_samples, 3);
  EXPECT_EQ(p.sweep.regimes, (std::vector<Regime>{{"pf/8", 256, 16}}));
  EXPECT_EQ(p.sweep.batches.size(), 5u) << "what is not said again stays";
  EXPECT_EQ(p.cache_bytes, 3 << 20);
  std::string said;
  for (const std::string& line : p.scaled) said += line + "\n";
  EXPECT_TRUE(holds(said, {"pf/8 (256 in, 16 out)", "3 MiB", "0.5 s a row"}));
}

TEST_F(SweepPresetTest, RefusesByFileAndLine) {
  const auto refused = [&](const std::string& device, const std::string& from, const std::string& to,
                           const std::vector<std::string>& parts) {
    EXPECT_TRUE(holds(message_of<Error>([&] { load(device, from, to); }), parts)) << to;
  };
  refused("", "batches =", "bathces =", {"p.toml", "batches"});
  refused("", "schedules =", "schedlues =", {"p.toml", "schedules"});
  refused("", "[\"configs/models/vanilla-tiny.toml\"]", "[]", {"p.toml:5", "models", "empty"});
  refused("", "vanilla-tiny.toml", "vanila-tiny.toml", {"p.toml:5", "vanila-tiny.toml"});
  refused("", "\"pf,de\"", "\"\"", {"p.toml:6", "regimes"});
  refused("", "\"hiergen,recgen\"", "\"hiergen,regcen\"", {"p.toml:7", "regcen"});
  refused("", "\"1,2-8*2,max\"", "\"0\"", {"p.toml:9", "batches", "'0'"});
  refused("", "\"1,2-8*2,max\"", "\"1-99999\"", {"p.toml:9", "more than"});
  refused("", "\"1,3\"", "\"max\"", {"p.toml:10", "samples_per_prompt"});
  refused("", "[sweep]", "[sweeep]", {"p.toml", "[sweep]"});
  // What is for another device is read all the same.
  refused("", "\"pf/8\"", "\"pf/7\"", {"p.toml:16", "regimes"});
  refused("", "cache_mib = 3", "cahce_mib = 3", {"p.toml", "cache_mib"});
  refused("", "cache_mib = 3", "equal_within = 0.1", {"p.toml:14", "equal_within", "cache_mib"});
  refused("", "cache_mib = 3", "cache_mib = 3\nequal_within = 0.9", {"p.toml:15", "equal_within"});
  refused("cpu", "[\"cpu\"]", "[]", {"p.toml:12", "devices"});
}

TEST(SweepPresetFiles, PaperIsThePapersTable) {
  const SweepPreset full = load_sweep_preset(find_config(ConfigKind::preset, "paper"), "");
  const SweepPreset small = load_sweep_preset(find_config(ConfigKind::preset, "paper"), "cpu");
  EXPECT_EQ(full.device, "cuda");
  EXPECT_TRUE(full.scaled.empty());
  EXPECT_FALSE(small.scaled.empty());
  ASSERT_EQ(full.models.size(), 10u);
  ASSERT_EQ(small.models.size(), 10u);
  for (size_t i = 0; i < full.models.size(); ++i) {  // a stand-in for each
    const ModelSpec large = load_model_spec(full.models[i]);
    const ModelSpec stand_in = load_model_spec(small.models[i]);
    ASSERT_EQ(large.depth(), stand_in.depth()) << large.name;
    for (int l = 1; l <= large.depth(); ++l) EXPECT_EQ(large.level(l).chunk, stand_in.level(l).chunk);
  }
  EXPECT_EQ(full.sweep.regimes.size(), 2u);
  EXPECT_EQ(full.sweep.generations.size(), 2u);
  EXPECT_EQ(full.sweep.schedules.size(), 2u);
  EXPECT_EQ(full.sweep.batches, (std::vector<int64_t>{1, sweep_max}));
}

TEST(SweepPresetFiles, MultiQueryComparesArchitecturesInTheSameBytes) {
  for (const char* device : {"", "cpu"}) {
    const SweepPreset p = load_sweep_preset(find_config(ConfigKind::preset, "multi-query"), device);
    EXPECT_GT(p.cache_bytes, 0) << device;
    EXPECT_EQ(p.sweep.batches, (std::vector<int64_t>{sweep_max}));
    EXPECT_EQ(p.sweep.samples_per_prompt, (std::vector<int64_t>{1, 2, 4, 8, 9, 16, 32, 64}));
    std::vector<std::string> architectures;
    for (const auto& file : p.models) architectures.emplace_back(load_model_spec(file).architecture());
    EXPECT_EQ(architectures, (std::vector<std::string>{"vanilla", "block", "photon"}));
  }
}

}  // namespace
}  // namespace photon::bench
