// SPDX-License-Identifier: Apache-2.0
// What the alternatives are side by side: special cases that coincide, the cost model, known ratios, the
// figures.
#include "analysis/alternatives/alternatives.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/alternatives/heavy_hitters.h"
#include "analysis/alternatives/landmarks.h"
#include "analysis/alternatives/latent_cache.h"
#include "analysis/alternatives/pages.h"
#include "analysis/alternatives/shared_prefix.h"
#include "analysis/alternatives/shortened.h"
#include "analysis/alternatives/sink_window.h"
#include "analysis/figures/figures.h"
#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/cost/cost.h"
#include "core/model/model_config.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon::analysis::alternatives {
namespace {

using photon::testing::SpecDice;
using photon::testing::test_seed;

HeadCache random_heads(SpecDice& dice) {
  return {.layers = dice(1, 4),
          .kv_heads = dice(1, 4),
          .head_size = dice(1, 9),
          .element_bytes = int64_t{1} << dice(0, 2)};
}

TEST(Alternatives, SpecialCasesCoincide) {
  SpecDice dice(test_seed());
  for (int i = 0; i < 50; ++i) {
    const HeadCache full = random_heads(dice);
    const int64_t n = dice(0, 5000);
    const auto same = [&](const auto& cache, const char* what) {
      EXPECT_DOUBLE_EQ(cache.held(n), full.held(n)) << what;
      EXPECT_DOUBLE_EQ(cache.step(n).read, full.step(n).read) << what;
      EXPECT_DOUBLE_EQ(cache.step(n).written, full.step(n).written) << what;
    };
    same(SinkWindow{.full = full, .sinks = 0, .window = n + 1}, "a window over all");
    same(HeavyHitters{.full = full, .budget = n + 1, .score_bytes = 0}, "a budget for all");
    same(Landmarks{.full = full, .block = n + 2, .window = n + 1}, "no block yet");
    same(Paged{.full = full, .page = 1}, "pages of one token");
    same(SharedPrefix{.full = full, .prefix = dice(0, 6000), .samples = 1}, "one sample");
    same(Shortened{.layer = {.layers = 1,
                             .kv_heads = full.kv_heads,
                             .head_size = full.head_size,
                             .element_bytes = full.element_bytes},
                   .stages = {{full.layers, 1}}},
         "nothing shortened");
    EXPECT_EQ(Paged{.full = full}.mean_waste(), 7.5 * full.token_bytes());
    EXPECT_DOUBLE_EQ(block_transformer(full, 8).held(n), megabyte(full, 8).held(n));
    const LatentCache latent{.layers = full.layers,
                             .latent = 2 * full.kv_heads * full.head_size,
                             .element_bytes = full.element_bytes};
    EXPECT_DOUBLE_EQ(latent.held(n), full.held(n)) << "a latent as wide as all keys and values";
  }
}

TEST(Alternatives, VanillaBlockAndSamplesEqualTheCostModel) {
  SpecDice dice(test_seed());
  for (int i = 0; i < 60; ++i) {
    ModelSpec base;
    base.name = "base";
    base.vocab = 7;
    base.layers = 4 * dice(1, 3);
    const int64_t heads = dice(1, 4);
    base.base = {.width = heads * 4 * dice(1, 3), .ffn = 8, .heads = heads, .kv_heads = heads};
    const HeadCache full{.layers = base.layers, .kv_heads = heads, .head_size = base.base.head_size()};
    Workload w{.prompt = 4 * dice(1, 60), .new_tokens = 4 * dice(1, 40), .samples = dice(1, 4)};
    SCOPED_TRACE(fmt::format("{} tokens in, {} out, {} samples", w.prompt, w.new_tokens, w.samples));
    const auto moved = [&](const auto& cache) {
      Moved sum;
      for (int64_t n = w.prompt; n < w.prompt + w.new_tokens; ++n) {
        sum.read += cache.step(n).read;
        sum.written += cache.step(n).written;
      }
      return sum;
    };
    const auto expect = [&](const auto& cache, const ModelSpec& spec) {
      const Work work = total(request_cost(spec, w).decode);
      const auto samples = static_cast<double>(w.samples);
      EXPECT_NEAR(moved(cache).read, work.kv_read_bytes / samples, 1e-12 * work.kv_read_bytes);
      EXPECT_NEAR(moved(cache).written, work.kv_write_bytes / samples, 1e-12 * work.kv_write_bytes);
      EXPECT_DOUBLE_EQ(cache.held(w.prompt + w.new_tokens), kv_bytes_ideal(spec, w));
    };
    expect(SharedPrefix{.full = full, .prefix = w.prompt, .samples = w.samples}, base);
    w.samples = 1;
    expect(full, base);
    expect(block_transformer(full, 4), hierarchy_of(base, 1));
  }
}

ModelSpec model(const std::string& name) {
  return load_model_spec(share_folder() / "configs" / "models" / (name + ".toml"));
}

TEST(Alternatives, HierarchiesOfThePapersBasesAreThePapersModels) {
  for (const std::string size : {"600m", "900m", "1.2b"}) {
    const ModelSpec base = model("vanilla-" + size);
    for (const auto& [levels, name] : {std::pair{1, "block-"}, {2, "photon-"}}) {
      ModelSpec made = hierarchy_of(base, levels);
      const ModelSpec known = model(name + size);
      made.name = known.name;
      EXPECT_EQ(made, known) << known.name;
    }
  }
}

TEST(Alternatives, EveryLineGrowsWithTheContextAndStartsFromTheRightOne) {
  const auto list = alternatives(model("vanilla-600m"), 2);
  EXPECT_GE(list.size(), 15u);
  const auto named = [&](const std::string& name) {
    const auto at =
        std::find_if(list.begin(), list.end(), [&](const Alternative& a) { return a.name == name; });
    if (at == list.end()) throw Error("no alternative " + name);
    return *at;
  };
  SpecDice dice(test_seed());
  for (const Alternative& a : list) {
    SCOPED_TRACE(a.name);
    EXPECT_FALSE(a.source.empty());
    Cost before = a.at(shortest_context);
    for (int64_t context = 2 * shortest_context; context <= int64_t{1} << 20; context *= 2) {
      const Cost now = a.at(context);
      EXPECT_GE(now.held, before.held) << context;
      EXPECT_GE(now.moved(), before.moved()) << context;
      EXPECT_GT(now.written, 0.0) << context;
      before = now;
    }
    for (int i = 0; i < 20; ++i) {
      const int64_t context = dice(shortest_context, 1 << 18);
      EXPECT_LE(a.at(context).held, a.at(context + dice(0, 5000)).held) << context;
    }
  }
  // Known ratios: 8 for Block, 12.8 and 64 for PHOTON (arXiv 2512.20687, from its T / C sums).
  const double full = named("multi-head").at(1 << 16).held;
  EXPECT_DOUBLE_EQ(full / named("Block Transformer").at(1 << 16).held, 8.0);
  EXPECT_DOUBLE_EQ(full / named("PHOTON HierGen").at(1 << 16).held, 12.8);
  EXPECT_DOUBLE_EQ(full / named("PHOTON RecGen").at(1 << 16).held, 64.0);
  EXPECT_DOUBLE_EQ(full / named("multi-query").at(1 << 16).held, 32.0);
  // DeepSeek-V2, Table 1: 9/2 d_h a layer against 2 n_h d_h.
  EXPECT_DOUBLE_EQ(full / named("latent attention (MLA)").at(1 << 16).held, 2.0 * 32.0 / 4.5);
}

TEST(Alternatives, EveryLineOfAFigureIsNamedInItsOrderAndNoTwoNamesOverlap) {
  const ModelSpec base = model("vanilla-600m");
  size_t drawn = 0;
  for (const Alternative& a : alternatives(base, 2)) drawn += a.in_figures ? 1 : 0;
  for (const auto& [figure, caption] : analysis::alternative_figures(base, 2)) {
    SCOPED_TRACE(figure.name);
    ASSERT_EQ(figure.panels.size(), 1u);
    const analysis::PlotPanel& panel = figure.panels[0];
    std::vector<double> ends, names;
    for (const analysis::Series& s : panel.series) {
      if (s.kind == analysis::Series::Kind::line_points) ends.push_back(s.points.back().y);
      for (const analysis::PlotPoint& p : s.points)
        if (!p.label.empty()) names.push_back(p.y);
    }
    ASSERT_EQ(ends.size(), drawn);
    ASSERT_EQ(names.size(), drawn);
    const double pixels = (figure.panel_height - 104) / std::log(*panel.y.high / *panel.y.low);
    for (size_t i = 0; i < drawn; ++i) {
      EXPECT_GT(names[i], *panel.y.low);
      EXPECT_LT(names[i], *panel.y.high);
      for (size_t k = 0; k < i; ++k) {
        EXPECT_GE(std::abs(std::log(names[i] / names[k])) * pixels, 15.0) << i << " and " << k;
        if (ends[i] != ends[k]) {
          EXPECT_EQ(ends[i] < ends[k], names[i] < names[k]) << i << " and " << k;
        }
      }
    }
    EXPECT_TRUE(photon::testing::holds(caption.markup, {"nothing of quality", "drops tokens"}));
  }
}

TEST(Alternatives, RefusesWhatIsNoBase) {
  ModelSpec base = model("vanilla-600m");
  EXPECT_THROW(alternatives(model("photon-600m"), 2), Error);
  base.base.kv_heads = 8;
  EXPECT_TRUE(photon::testing::holds(photon::testing::message_of<Error>([&] { alternatives(base, 2); }),
                                     {"kv_heads = 8 of 32"}));
  base = model("vanilla-600m");
  base.layers = 6;
  EXPECT_TRUE(photon::testing::holds(photon::testing::message_of<Error>([&] { alternatives(base, 2); }),
                                     {"layers = 6", "multiple of 4"}));
}

}  // namespace
}  // namespace photon::analysis::alternatives
