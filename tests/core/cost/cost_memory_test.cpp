// SPDX-License-Identifier: Apache-2.0
// Bytes of caches: the paper's analytic table, and what windows, recgen and shared prompts leave of it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "core/base/paths.h"
#include "core/cost/cost.h"
#include "core/model/model_config.h"

namespace photon {
namespace {

ModelSpec model(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return load_model_spec(share_folder() / "configs" / "models" / (name + ".toml"), overrides);
}

double gib(const ModelSpec& spec, Generation generation = Generation::hiergen) {
  return kv_bytes_ideal(spec, {.prompt = 2048, .new_tokens = 128, .generation = generation}) / 0x1p30;
}

// bf16, 2176 tokens, GiB a sample: vanilla, Block Transformer, hiergen, recgen.
TEST(IdealCache, IsThePapersAtEverySize) {
  struct Size {
    const char* name;
    double vanilla, block, hiergen, recgen;
  };
  for (const Size& size : {Size{"600m", 0.2158, 0.0270, 0.0169, 0.0034},
                           {"900m", 0.2905, 0.0363, 0.0227, 0.0045},
                           {"1.2b", 0.3735, 0.0467, 0.0292, 0.0058}}) {
    SCOPED_TRACE(size.name);
    const double vanilla = gib(model(fmt::format("vanilla-{}", size.name)));
    const double block = gib(model(fmt::format("block-{}", size.name)));
    const ModelSpec photon = model(fmt::format("photon-{}", size.name));
    EXPECT_NEAR(vanilla, size.vanilla, 5e-5);
    EXPECT_NEAR(block, size.block, 5e-5);
    EXPECT_NEAR(gib(photon), size.hiergen, 5e-5);
    EXPECT_NEAR(gib(photon, Generation::recgen), size.recgen, 5e-5);
    EXPECT_DOUBLE_EQ(vanilla / block, 8.0);
    EXPECT_DOUBLE_EQ(vanilla / gib(photon), 12.8);
    EXPECT_DOUBLE_EQ(vanilla / gib(photon, Generation::recgen), 64.0);
  }
}

TEST(IdealCache, CountsWholeUnitsOfPromptAndAnswerTogether) {
  const ModelSpec spec = model("photon-600m");
  const double row = 2 * 2 * 4 * 1664;  // K and V, bf16, layers, width
  EXPECT_EQ(kv_bytes_ideal(spec, {.prompt = 15, .new_tokens = 0}), row * 3);
  EXPECT_EQ(kv_bytes_ideal(spec, {.prompt = 15, .new_tokens = 1}), row * (4 + 1));
  EXPECT_EQ(kv_bytes_ideal(spec, {.prompt = 15, .new_tokens = 16}), row * (7 + 1));
  EXPECT_EQ(kv_bytes_ideal(spec, {.prompt = 15, .new_tokens = 1, .kv_bytes = 4}), 2 * row * (4 + 1));
}

TEST(IdealCache, AWindowBoundsItsLevelAlone) {
  const double row = 2 * 2 * 4 * 1664;
  const Workload w{.prompt = 2048, .new_tokens = 128};
  EXPECT_EQ(kv_bytes_ideal(model("photon-600m", {"level.1.encoder_window=100"}), w), row * (100 + 136));
  EXPECT_EQ(kv_bytes_ideal(model("photon-600m", {"level.1.encoder_window=\"block\""}), w), row * (4 + 136));
  EXPECT_EQ(kv_bytes_ideal(model("photon-600m", {"level.1.encoder_window=1000"}), w), row * (544 + 136));
}

TEST(IdealCache, GroupedQueriesShrinkIt) {
  EXPECT_DOUBLE_EQ(gib(model("vanilla-600m", {"kv_heads=8"})) * 4, gib(model("vanilla-600m")));
}

TEST(IdealCache, ASharedPromptIsDividedAmongItsSamples) {
  for (const char* name : {"vanilla-600m", "photon-600m"}) {
    const ModelSpec spec = model(name);
    const auto bytes = [&](int64_t samples) {
      return kv_bytes_ideal(spec, {.prompt = 2048, .new_tokens = 128, .samples = samples});
    };
    const double answer = bytes(1) * 128 / 2176;
    EXPECT_DOUBLE_EQ(bytes(4), answer + bytes(1) * 2048 / 2176 / 4);
    EXPECT_NEAR(bytes(int64_t{1} << 30), answer, 1.0);
  }
  // A window that the answer fills leaves nothing of the prompt to share.
  const ModelSpec windowed = model("photon-600m", {"level.1.encoder_window=8"});
  const double row = 2 * 2 * 4 * 1664;
  EXPECT_DOUBLE_EQ(kv_bytes_ideal(windowed, {.prompt = 2048, .new_tokens = 128, .samples = 4}),
                   row * (8 + 8 + 128 / 4.0));
}

TEST(LocalCaches, HoldTheChunksThatAreMadeTogether) {
  const double row = 2 * 2 * 4 * 1664;
  const double window = 2 + 4 - 1;
  const ModelSpec causal = model("photon-600m");
  const ModelSpec parallel = model("photon-600m", {"reading=\"parallel\""});
  Workload w{.prompt = 128, .new_tokens = 2048};
  EXPECT_EQ(local_bytes(causal, w), row * window * (1 + 1));
  EXPECT_EQ(local_bytes(parallel, w), row * window * (1 + 4));
  w.generation = Generation::recgen;
  EXPECT_EQ(local_bytes(causal, w), row * window * (1 + 4));
  w.schedule = Schedule::unrolled;
  EXPECT_EQ(local_bytes(causal, w), row * window * (1 + 4 * 128));
  EXPECT_EQ(local_bytes(model("vanilla-600m"), {.prompt = 128, .new_tokens = 2048}), 0.0);
}

}  // namespace
}  // namespace photon
