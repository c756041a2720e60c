// SPDX-License-Identifier: Apache-2.0
#include "core/cost/cost.h"
#include "core/base/paths.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <limits>

#include "core/base/error.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon {
namespace {

ModelSpec model(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return load_model_spec(share_folder() / "configs" / "models" / (name + ".toml"), overrides);
}

uint64_t printed_seed() {
  const uint64_t seed = testing::test_seed();
  std::cout << "PHOTON_TEST_SEED=" << seed << '\n';
  return seed;
}

void expect_close(double a, double b, const std::string& what) {
  EXPECT_TRUE(std::abs(a - b) <= 1e-12 * std::max(std::abs(a), std::abs(b)))
      << what << ": " << fmt::format("{}, {}", a, b);
}

/// Elements of the matrices whose names start so; embedding tables are looked up, not multiplied.
double matrices(const ModelSpec& spec, const std::string& prefix, bool tables = false) {
  double sum = 0.0;
  for (const ParameterInfo& p : parameter_list(spec)) {
    if (p.shape.size() != 2 || !p.name.starts_with(prefix)) continue;
    if (!tables && p.name.find(".embedding.") != std::string::npos) continue;
    sum += static_cast<double>(p.size());
  }
  return sum;
}

bool sees(const ModelSpec& spec, int l, int64_t query, int64_t key) {
  if (key > query) return false;
  if (l == 0) return true;
  const EncoderWindow& window = spec.level(l).encoder_window;
  const int64_t block = spec.units_per_meta_context(l);
  if (window.kind == EncoderWindow::Kind::units) return query - key < window.units;
  if (window.kind == EncoderWindow::Kind::block) return query / block == key / block;
  return true;
}

/// Pairs with queries in [first, last), one by one.
double pairs(const ModelSpec& spec, int l, int64_t first, int64_t last) {
  int64_t n = 0;
  for (int64_t q = first; q < last; ++q) {
    for (int64_t k = 0; k <= q; ++k) n += sees(spec, l, q, k);
  }
  return static_cast<double>(n);
}

double attention(const StackShape& shape, int64_t layers) {
  return 4.0 * static_cast<double>(shape.width * layers);
}

std::string level_name(const char* side, int l, const char* part) {
  return fmt::format("{}.{}.{}", side, l, part);
}

/// Converter and decoder l for one whole chunk.
double chunk_flops(const ModelSpec& spec, int l) {
  const LevelSpec& s = spec.level(l);
  const auto window = static_cast<double>(s.prefix + s.chunk - 1);
  return 2.0 * matrices(spec, level_name("decoder", l, "converter")) +
         2.0 * window * matrices(spec, level_name("decoder", l, "layers")) +
         attention(spec.shape(l - 1), s.decoder_layers) * window * (window + 1.0) / 2.0;
}

/// Chunker and encoder l over units [first, last).
double encoder_flops(const ModelSpec& spec, int l, int64_t first, int64_t last) {
  return 2.0 * static_cast<double>(last - first) * matrices(spec, fmt::format("encoder.{}.", l)) +
         attention(spec.shape(l), spec.level(l).encoder_layers) * pairs(spec, l, first, last);
}

TEST(Cost, ThePapersCacheTable) {
  struct Row {
    const char* size;
    double vanilla, block, hiergen, recgen;
  };
  for (const Row& row : {Row{"600m", 0.2158, 0.0270, 0.0169, 0.0034},
                         {"900m", 0.2905, 0.0363, 0.0227, 0.0045},
                         {"1.2b", 0.3735, 0.0467, 0.0292, 0.0058}}) {
    for (const auto& [prompt, fresh] : {std::pair{2048, 128}, {128, 2048}}) {
      Workload w{.prompt = prompt, .new_tokens = fresh};
      const std::string size = row.size;
      const double vanilla = kv_bytes_ideal(model("vanilla-" + size), w);
      const double block = kv_bytes_ideal(model("block-" + size), w);
      const double hiergen = kv_bytes_ideal(model("photon-" + size), w);
      w.generation = Generation::recgen;
      const double recgen = kv_bytes_ideal(model("photon-" + size), w);
      EXPECT_NEAR(vanilla / 0x1p30, row.vanilla, 5e-5);
      EXPECT_NEAR(block / 0x1p30, row.block, 5e-5);
      EXPECT_NEAR(hiergen / 0x1p30, row.hiergen, 5e-5);
      EXPECT_NEAR(recgen / 0x1p30, row.recgen, 5e-5);
      EXPECT_EQ(vanilla / block, 8.0);
      EXPECT_EQ(vanilla / hiergen, 12.8);
      EXPECT_EQ(vanilla / recgen, 64.0);
    }
  }
}

TEST(Cost, WindowsBoundTheCache) {
  const auto bytes = [](const std::string& window, int64_t samples = 1) {
    return kv_bytes_ideal(model("photon-600m", {"level.1.encoder_window=" + window}),
                          {.prompt = 2048, .new_tokens = 128, .samples = samples});
  };
  const double unit = 2.0 * 2 * 4 * 1664;
  EXPECT_EQ(bytes("0"), unit * (544 + 136));
  EXPECT_EQ(bytes("100"), unit * (100 + 136));
  EXPECT_EQ(bytes("9999"), unit * (544 + 136));
  EXPECT_EQ(bytes("block"), unit * (4 + 136));
  // Eight samples: 512 and 128 units of the prompt are stored once.
  EXPECT_EQ(bytes("0", 8), unit * (32 + 512 / 8.0 + 8 + 128 / 8.0));
  EXPECT_EQ(bytes("100", 8), unit * (32 + 68 / 8.0 + 8 + 128 / 8.0));
  EXPECT_EQ(bytes("16", 8), unit * (16 + 8 + 128 / 8.0));
  EXPECT_EQ(bytes("block", 8), unit * (4 + 8 + 128 / 8.0));
  EXPECT_EQ(kv_bytes_ideal(model("vanilla-600m"), {.prompt = 100, .new_tokens = 7, .samples = 5}),
            4 * unit * (7 + 100 / 5.0));
}

// Width 2, one head, ffn 1: 4·4 + 3·2 = 22 weights a layer.
TEST(Cost, ATinyVanillaByHand) {
  ModelSpec spec;
  spec.vocab = 3;
  spec.base = {.width = 2, .ffn = 1, .heads = 1, .kv_heads = 1};
  spec.layers = 1;
  const RequestCost cost = request_cost(spec, {.prompt = 3, .new_tokens = 2, .batch = 5});
  const Work prefill = total(cost.prefill);
  EXPECT_EQ(prefill.flops, 5.0 * (2 * 22 * 3 + 2 * 6 + 8 * (1 + 2 + 3)));
  EXPECT_EQ(prefill.weight_bytes, 2.0 * (22 + 6));
  EXPECT_EQ(prefill.kv_write_bytes, 5.0 * 3 * 8);
  EXPECT_EQ(prefill.kv_read_bytes, 0.0);
  EXPECT_EQ(prefill.other_bytes, 5.0 * 3 * 4);
  const Work decode = total(cost.decode);
  EXPECT_EQ(cost.decode.size(), 2u);
  EXPECT_EQ(decode.flops, 5.0 * (2 * (2 * 22 + 2 * 6) + 8 * (4 + 5)));
  EXPECT_EQ(decode.weight_bytes, 2 * 2.0 * (22 + 6));
  EXPECT_EQ(decode.kv_read_bytes, 5.0 * (3 + 4) * 8);
  EXPECT_EQ(decode.kv_write_bytes, 5.0 * 2 * 8);
}

// What has to lie in memory: matrices and tables, as traffic never counts all of, and the gains, biases and
// start latents that it never counts.
TEST(Cost, WeightsAreEverythingThatACheckpointHolds) {
  ModelSpec tiny;
  tiny.vocab = 3;
  tiny.base = {.width = 2, .ffn = 1, .heads = 1, .kv_heads = 1};
  tiny.layers = 1;
  EXPECT_EQ(weights_bytes(tiny, 2), 2.0 * (22 + 2 * 2 + 2 + 3 * 2 + 3 * 2)) << "layer, gains, table, head";
  // Totals as the paper prints them, and a start latent of each level, which its totals leave out.
  EXPECT_EQ(weights_bytes(model("vanilla-600m"), 2), 2.0 * 610'915'968);
  EXPECT_EQ(weights_bytes(model("photon-1.2b"), 2), 2.0 * (1'229'531'520 + 2 * 1920));
  testing::SpecDice dice(printed_seed());
  for (int i = 0; i < 80; ++i) {
    const ModelSpec spec = dice.spec(i % 4);
    EXPECT_GT(weights_bytes(spec, 1), matrices(spec, "", true)) << i;
    EXPECT_GE(weights_bytes(spec, 1), static_cast<double>(parameters_total(spec))) << i;
    EXPECT_EQ(weights_bytes(spec, 4), 4.0 * weights_bytes(spec, 1)) << i;
  }
}

TEST(Cost, ForwardFlopsPairByPair) {
  testing::SpecDice dice(printed_seed());
  for (int i = 0; i < 80; ++i) {
    const ModelSpec spec = dice.spec(i % 4);
    const int64_t tokens = spec.meta_context() * dice(1, std::max<int64_t>(1, 60 / spec.meta_context()));
    double flops = 2.0 * static_cast<double>(tokens) * matrices(spec, "head");
    if (spec.depth() == 0) {
      flops += 2.0 * static_cast<double>(tokens) * matrices(spec, "decoder.1.layers") +
               attention(spec.base, spec.layers) * pairs(spec, 0, 0, tokens);
    }
    for (int l = 1; l <= spec.depth(); ++l) {
      const int64_t units = tokens / spec.cumulative_chunk(l);
      flops += encoder_flops(spec, l, 0, units) + static_cast<double>(units) * chunk_flops(spec, l);
    }
    expect_close(forward_flops(spec, tokens), flops, fmt::format("spec {}", i));
    expect_close(training_flops(spec, tokens), 3.0 * flops, fmt::format("spec {}", i));
  }
}

// Counted from the words of the design: how often each stack runs in a meta-context, and on how many rows.
TEST(Cost, DecodeOfAHierarchyCountedFromTheDesign) {
  testing::SpecDice dice(printed_seed());
  for (int i = 0; i < 240; ++i) {
    const ModelSpec spec = dice.spec(1 + i % 3);
    const int top = spec.depth();
    const int64_t b = spec.meta_context();
    Workload w{.prompt = dice(0, 3 * b), .new_tokens = dice(0, 3 * b), .batch = dice(1, 4), .kv_bytes = 4};
    if (top >= 2 && dice(0, 1) == 1) w.generation = Generation::recgen;
    const bool recgen = w.generation == Generation::recgen;
    if (recgen && dice(0, 1) == 1) w.schedule = Schedule::unrolled;
    SCOPED_TRACE(fmt::format("spec {}: L {}, {} {} {}, P {}, N {}, B_m {}", i, top, to_string(spec.reading),
                             to_string(w.generation), to_string(w.schedule), w.prompt, w.new_tokens, b));
    const bool serial = top >= 2 && spec.reading == Reading::causal && !recgen;
    const int64_t first = w.prompt / b;
    const int64_t answer = (w.prompt % b + w.new_tokens + b - 1) / b;
    double weights = 0.0;
    double flops = 0.0;
    double kv = 0.0;
    for (int64_t q = first; q < first + answer; ++q) {
      flops += 2.0 * static_cast<double>(b) * matrices(spec, "head");
      for (int l = 1; l <= top; ++l) {
        const LevelSpec& s = spec.level(l);
        const int64_t units = spec.units_per_meta_context(l);
        flops += static_cast<double>(units) * chunk_flops(spec, l);
        const bool together = w.schedule == Schedule::unrolled && l < top && q > first;
        const double passes = together ? 0.0 : serial ? static_cast<double>(units) : 1.0;
        weights +=
            passes * (matrices(spec, level_name("decoder", l, "converter")) +
                      static_cast<double>(s.chunk) * matrices(spec, level_name("decoder", l, "layers")));
        if (l == 1) {
          const bool once = spec.reading == Reading::hatted;
          weights += passes * (once ? 1.0 : static_cast<double>(s.chunk)) * matrices(spec, "head");
        }
        if (recgen && l < top) continue;
        flops += encoder_flops(spec, l, q * units, (q + 1) * units);
        weights +=
            (serial ? static_cast<double>(units) : 1.0) * matrices(spec, fmt::format("encoder.{}.", l));
        const auto row = 2.0 * 4 * static_cast<double>(s.encoder_layers * s.shape.kv_width());
        kv += row * static_cast<double>(units);
        const int64_t step = serial ? 1 : units;
        for (int64_t u = q * units; u < (q + 1) * units; u += step) {
          for (int64_t k = 0; k < u; ++k) {
            bool any = false;
            for (int64_t j = u; j < u + step; ++j) any = any || sees(spec, l, j, k);
            if (any) kv += row;
          }
        }
      }
    }
    const Work decode = total(request_cost(spec, w).decode);
    const auto rows = static_cast<double>(w.batch);
    expect_close(decode.flops, rows * flops, "FLOPs");
    expect_close(decode.weight_bytes, 2.0 * weights, "weight bytes");
    expect_close(decode.kv_bytes(), rows * kv, "KV bytes");
  }
}

TEST(Cost, PrefillEncodesWholeMetaContexts) {
  testing::SpecDice dice(printed_seed());
  for (int i = 0; i < 120; ++i) {
    ModelSpec spec = dice.spec(1 + i % 3);
    for (LevelSpec& s : spec.levels) s.converter_context = 1;
    if (i % 2 == 0) spec.reading = Reading::parallel;
    const int top = spec.depth();
    const bool previous = spec.reading == Reading::literal || spec.reading == Reading::hatted;
    // Level 3's chunk of level 2 reaches back further: what the reference's counters check.
    if (previous && top == 3) continue;
    const int64_t b = spec.meta_context();
    Workload w{.prompt = dice(0, 4 * b), .new_tokens = 1, .batch = dice(1, 4)};
    if (top >= 2 && dice(0, 1) == 1) w.generation = Generation::recgen;
    const int64_t whole = w.prompt / b;
    double weights = 0.0;
    double flops = 0.0;
    double kv = 0.0;
    for (int l = 1; l <= top && whole > 0; ++l) {
      const LevelSpec& s = spec.level(l);
      const int64_t units = whole * spec.units_per_meta_context(l);
      weights += matrices(spec, fmt::format("encoder.{}.", l));
      flops += encoder_flops(spec, l, 0, units);
      const bool kept = (l == top || w.generation == Generation::hiergen) &&
                        s.encoder_window.kind != EncoderWindow::Kind::block;
      if (kept) {
        kv +=
            4.0 * static_cast<double>(s.encoder_layers * s.shape.kv_width() * spec.visibility(l).held(units));
      }
      if (l >= 2 && previous) {
        flops += chunk_flops(spec, l);
        weights += matrices(spec, level_name("decoder", l, "converter")) +
                   static_cast<double>(s.chunk) * matrices(spec, level_name("decoder", l, "layers"));
      }
    }
    const Work prefill = total(request_cost(spec, w).prefill);
    SCOPED_TRACE(fmt::format("spec {}: L {}, {}, P {}", i, top, to_string(spec.reading), w.prompt));
    expect_close(prefill.flops, static_cast<double>(w.batch) * flops, "FLOPs");
    expect_close(prefill.weight_bytes, 2.0 * weights, "weight bytes");
    expect_close(prefill.kv_write_bytes, static_cast<double>(w.batch) * kv, "KV bytes");
    EXPECT_EQ(prefill.kv_read_bytes, 0.0);
  }
}

TEST(Cost, LocalCachesHoldWholeWindows) {
  const Workload hiergen{.prompt = 32, .new_tokens = 64};
  const double row = 2.0 * 2 * 4 * 1664;  // 4 layers; windows of 2 + 4 - 1 positions
  EXPECT_EQ(local_bytes(model("photon-600m"), hiergen), row * (5 + 5));
  EXPECT_EQ(local_bytes(model("photon-600m", {"reading=parallel"}), hiergen), row * (5 + 4 * 5));
  Workload recgen = hiergen;
  recgen.generation = Generation::recgen;
  EXPECT_EQ(local_bytes(model("photon-600m"), recgen), row * (5 + 4 * 5));
  recgen.schedule = Schedule::unrolled;
  EXPECT_EQ(local_bytes(model("photon-600m"), recgen), row * (5 + 4 * 4 * 5));
  EXPECT_EQ(local_bytes(model("vanilla-600m"), hiergen), 0.0);
}

TEST(Cost, VisitingIsTheSameAsKeeping) {
  testing::SpecDice dice(printed_seed());
  for (int i = 0; i < 20; ++i) {
    const ModelSpec spec = dice.spec(i % 4);
    const Workload w{.prompt = dice(1, 50), .new_tokens = dice(0, 50)};
    const RequestCost cost = request_cost(spec, w);
    size_t phases = 0;
    int prefills = 0;
    visit_request(
        spec, w,
        [&](const Forwards& forwards) {
          ++prefills;
          EXPECT_EQ(total(forwards).flops, total(cost.prefill).flops);
        },
        [&](const Forwards& forwards) {
          ASSERT_LT(phases, cost.decode.size());
          EXPECT_EQ(total(forwards).flops, total(cost.decode[phases]).flops);
          EXPECT_EQ(total(forwards).floor_bytes(), total(cost.decode[phases]).floor_bytes());
          ++phases;
        });
    EXPECT_EQ(prefills, 1);
    EXPECT_EQ(phases, cost.decode.size());
  }
}

TEST(Cost, LongContextsAreCounted) {
  const Workload long_prompt{.prompt = 1 << 20, .new_tokens = 2048};
  for (const char* name : {"vanilla-600m", "photon-600m"}) {
    const Work prefill = total(request_cost(model(name), long_prompt).prefill);
    EXPECT_GT(prefill.flops, 2.0 * (1 << 20) * 1e8) << name;
  }
  int64_t forwards = 0;
  visit_request(
      model("photon-600m"), {.prompt = 0, .new_tokens = 1 << 16}, [](const Forwards&) {},
      [&](const Forwards& step) { forwards += static_cast<int64_t>(step.size()); });
  EXPECT_EQ(forwards, (1 << 16) / 16 * (16 + 4 + 4 + 1));
}

TEST(Cost, NonsenseIsRefused) {
  constexpr int64_t huge = std::numeric_limits<int64_t>::max();
  const ModelSpec photon = model("photon-tiny");
  const ModelSpec vanilla = model("vanilla-tiny");
  const ModelSpec block = model("block-tiny");
  const auto refused = [](const ModelSpec& spec, const Workload& w) {
    EXPECT_THROW(request_cost(spec, w), Error);
    EXPECT_THROW(kv_bytes_ideal(spec, w), Error);
    EXPECT_THROW(local_bytes(spec, w), Error);
  };
  for (const int64_t bad : {int64_t{-1}, int64_t{1'000'000'000'000}, huge}) {
    refused(photon, {.prompt = bad, .new_tokens = 1});
    refused(photon, {.prompt = 16, .new_tokens = bad});
    refused(photon, {.prompt = 16, .new_tokens = 1, .batch = bad});
    refused(photon, {.prompt = 16, .new_tokens = 1, .samples = bad});
    refused(photon, {.prompt = 16, .new_tokens = 1, .kv_bytes = bad});
  }
  refused(photon, {.prompt = 16, .new_tokens = 1, .batch = 0});
  refused(photon, {.prompt = 16, .new_tokens = 1, .samples = 0});
  refused(photon, {.prompt = 16, .new_tokens = 1, .batch = int64_t{1} << 32, .samples = int64_t{1} << 32});
  refused(vanilla, {.prompt = int64_t{1} << 32, .new_tokens = 1 << 18, .batch = int64_t{1} << 20});
  refused(vanilla, {.prompt = 0, .new_tokens = 1});
  refused(vanilla, {.prompt = 1, .new_tokens = 1, .generation = Generation::recgen});
  refused(block, {.prompt = 1, .new_tokens = 1, .generation = Generation::recgen});
  refused(photon, {.prompt = 1, .new_tokens = 1, .schedule = Schedule::unrolled});
  EXPECT_THROW(request_cost(vanilla, {.prompt = 1, .new_tokens = 1 << 20}), Error) << "too many to keep";
}

}  // namespace
}  // namespace photon
