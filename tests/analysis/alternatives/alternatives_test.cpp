// SPDX-License-Identifier: Apache-2.0
// Closed forms of caches against caches that are kept: lists of tokens, evicted and read one by one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>

#include "analysis/alternatives/heavy_hitters.h"
#include "analysis/alternatives/landmarks.h"
#include "analysis/alternatives/latent_cache.h"
#include "analysis/alternatives/pages.h"
#include "analysis/alternatives/rounded_cache.h"
#include "analysis/alternatives/shared_prefix.h"
#include "analysis/alternatives/shortened.h"
#include "analysis/alternatives/sink_window.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon::analysis::alternatives {
namespace {

using photon::testing::SpecDice;
using photon::testing::test_seed;

constexpr int64_t steps = 150;

HeadCache random_heads(SpecDice& dice) {
  return {.layers = dice(1, 4),
          .kv_heads = dice(1, 4),
          .head_size = dice(1, 9),
          .element_bytes = int64_t{1} << dice(0, 2)};
}

/// Runs a cache that is kept beside its closed form. `Naive` tells bytes() and decodes with step().
template <class Closed, class Naive>
void expect_equal(const Closed& closed, Naive naive) {
  for (int64_t n = 0; n < steps; ++n) {
    ASSERT_DOUBLE_EQ(closed.held(n), naive.bytes()) << n << " tokens";
    const Moved expected = naive.step();
    const Moved told = closed.step(n);
    ASSERT_DOUBLE_EQ(told.read, expected.read) << n << " tokens";
    ASSERT_DOUBLE_EQ(told.written, expected.written) << n << " tokens";
  }
}

/// Lists of the tokens that each layer and KV head keeps. What of it a step reads, and drops, is the
/// family's.
struct Kept {
  explicit Kept(const HeadCache& heads) : h(heads), lists(static_cast<size_t>(h.layers * h.kv_heads)) {}

  double vector_bytes() const { return static_cast<double>(h.head_size * h.element_bytes); }
  double bytes() const {
    double sum = 0.0;
    for (const auto& list : lists)
      for (size_t i = 0; i < list.size(); ++i) sum += 2.0 * vector_bytes();
    return sum;
  }
  /// Reads everything kept, then adds a token.
  Moved step() {
    const double read = bytes();
    for (auto& list : lists) list.push_back(now);
    ++now;
    return {read, 2.0 * vector_bytes() * static_cast<double>(lists.size())};
  }

  HeadCache h;
  std::vector<std::deque<int64_t>> lists;
  int64_t now = 0;
};

TEST(Alternatives, HeadsAndLatents) {
  SpecDice dice(test_seed());
  for (int i = 0; i < 20; ++i) {
    const HeadCache heads = random_heads(dice);
    expect_equal(heads, Kept(heads));
    // A latent and a rotary key are one vector that no head has for itself, and no value beside it.
    struct Latents {
      LatentCache c;
      std::vector<int64_t> numbers = {};
      double bytes() const {
        double sum = 0.0;
        for (const int64_t n : numbers) sum += static_cast<double>(n * c.element_bytes);
        return sum;
      }
      Moved step() {
        const double before = bytes();
        for (int64_t layer = 0; layer < c.layers; ++layer) {
          numbers.push_back(c.latent);
          numbers.push_back(c.rope_key);
        }
        return {before, bytes() - before};
      }
    };
    const LatentCache latent{
        .layers = dice(1, 4), .latent = dice(1, 20), .rope_key = dice(0, 8), .element_bytes = 2};
    expect_equal(latent, Latents{latent});
  }
}

TEST(Alternatives, SinksAndWindow) {
  struct Naive : Kept {
    SinkWindow c;
    explicit Naive(const SinkWindow& closed) : Kept(closed.full), c(closed) {}
    Moved step() {
      for (auto& list : lists) {
        while (static_cast<int64_t>(list.size()) > c.sinks + c.window - 1) list.erase(list.begin() + c.sinks);
      }
      return Kept::step();
    }
  };
  SpecDice dice(test_seed());
  for (int i = 0; i < 30; ++i) {
    const SinkWindow c{.full = random_heads(dice), .sinks = dice(0, 5), .window = dice(1, 60)};
    SCOPED_TRACE(fmt::format("{} sinks, window {}", c.sinks, c.window));
    expect_equal(c, Naive(c));
  }
}

TEST(Alternatives, HeavyHittersUnderAnyAttention) {
  struct Naive {
    HeavyHitters c;
    SpecDice dice;
    std::vector<std::map<int64_t, int64_t>> heads;  // token -> attention received
    int64_t now = 0;

    Naive(const HeavyHitters& closed, uint64_t seed)
        : c(closed), dice(seed), heads(static_cast<size_t>(c.full.layers * c.full.kv_heads)) {}
    double token() const { return 2.0 * static_cast<double>(c.full.head_size * c.full.element_bytes); }
    double bytes() const {
      double sum = 0.0;
      for (const auto& head : heads)
        for (size_t i = 0; i < head.size(); ++i) sum += token() + static_cast<double>(c.score_bytes);
      return sum;
    }
    Moved step() {
      Moved moved{bytes(), 0.0};
      for (auto& head : heads) {
        for (auto& [id, score] : head) score += dice(0, 100);
        head[now] = dice(0, 100);
        if (static_cast<int64_t>(head.size()) > c.budget) {
          // Of the older half, the one that was attended to least.
          auto worst = head.begin();
          const int64_t old = std::max<int64_t>(1, c.budget - c.budget / 2);
          auto it = head.begin();
          for (int64_t k = 0; k < old; ++k, ++it)
            if (it->second < worst->second) worst = it;
          head.erase(worst);
        }
        moved.written += token() + static_cast<double>(c.score_bytes) * static_cast<double>(head.size());
      }
      ++now;
      return moved;
    }
  };
  SpecDice dice(test_seed());
  for (int i = 0; i < 20; ++i) {
    const HeavyHitters c{.full = random_heads(dice), .budget = dice(1, 70), .score_bytes = dice(0, 8)};
    SCOPED_TRACE(fmt::format("budget {}", c.budget));
    expect_equal(c, Naive(c, test_seed() + static_cast<uint64_t>(i)));
  }
}

TEST(Alternatives, LandmarksWhateverIsRetrieved) {
  struct Naive {
    Landmarks c;
    SpecDice dice;
    std::vector<bool> is_landmark;  // of the cached rows, in order
    int64_t now = 0;

    Naive(const Landmarks& closed, uint64_t seed) : c(closed), dice(seed) {}
    double vector_bytes() const {
      return static_cast<double>(c.full.layers * c.full.kv_heads * c.full.head_size * c.full.element_bytes);
    }
    double bytes() const { return 2.0 * vector_bytes() * static_cast<double>(is_landmark.size()); }
    Moved step() {
      // Token i belongs to block i / block; far blocks end before the last `window` tokens, `now` included.
      std::vector<int64_t> far;
      for (int64_t b = 0; (b + 1) * c.block <= now; ++b)
        if ((b + 1) * c.block - 1 <= now - c.window) far.push_back(b);
      std::vector<int64_t> picked = far;
      while (static_cast<int64_t>(picked.size()) > c.retrieved)
        picked.erase(picked.begin() + dice(0, static_cast<int64_t>(picked.size()) - 1));
      Moved moved;
      int64_t token = 0;
      for (const bool landmark : is_landmark) {
        if (landmark) {
          moved.read += vector_bytes();
          continue;
        }
        const int64_t block = token++ / c.block;
        const bool near = std::find(far.begin(), far.end(), block) == far.end();
        const bool read = near || std::find(picked.begin(), picked.end(), block) != picked.end();
        if (read) moved.read += 2.0 * vector_bytes();
      }
      const double before = bytes();
      is_landmark.push_back(false);
      if (++now % c.block == 0) is_landmark.push_back(true);
      moved.written = bytes() - before;
      return moved;
    }
  };
  SpecDice dice(test_seed());
  for (int i = 0; i < 30; ++i) {
    const Landmarks c{
        .full = random_heads(dice), .block = dice(1, 12), .retrieved = dice(0, 5), .window = dice(1, 40)};
    SCOPED_TRACE(fmt::format("block {}, {} retrieved, window {}", c.block, c.retrieved, c.window));
    expect_equal(c, Naive(c, test_seed() + static_cast<uint64_t>(i)));
  }
}

TEST(Alternatives, ShortenedLayers) {
  struct Naive {
    Shortened c;
    std::vector<std::vector<int64_t>> units;  // of each layer: first tokens
    std::vector<int64_t> waiting;             // tokens not yet in a unit, of each layer
    std::vector<int64_t> shortening;

    explicit Naive(const Shortened& closed) : c(closed) {
      for (const auto& s : c.stages) {
        for (int64_t i = 0; i < s.layers; ++i) {
          units.emplace_back();
          waiting.push_back(0);
          shortening.push_back(s.shortening);
        }
      }
    }
    double row() const {
      return 2.0 * static_cast<double>(c.layer.kv_heads * c.layer.head_size * c.layer.element_bytes);
    }
    double bytes() const {
      double sum = 0.0;
      for (const auto& layer : units) sum += row() * static_cast<double>(layer.size());
      return sum;
    }
    Moved step() {
      Moved moved;
      for (size_t i = 0; i < units.size(); ++i) {
        if (++waiting[i] < shortening[i]) continue;
        waiting[i] = 0;
        for (size_t k = 0; k < units[i].size(); ++k) moved.read += row();
        units[i].push_back(0);
        moved.written += row();
      }
      return moved;
    }
  };
  SpecDice dice(test_seed());
  for (int i = 0; i < 20; ++i) {
    const HeadCache base{.layers = 4 * dice(1, 6), .kv_heads = dice(1, 3), .head_size = dice(1, 5)};
    for (const Shortened& c : {block_transformer(base, dice(1, 9)), megabyte(base, dice(1, 9)),
                               hourglass(base, dice(1, 9)), funnel(base)}) {
      expect_equal(c, Naive(c));
    }
    int64_t layers = 0;
    for (const auto& s : hourglass(base, 3).stages) layers += s.layers;
    EXPECT_EQ(layers, base.layers);
    layers = 0;
    for (const auto& s : funnel(base).stages) layers += s.layers;
    EXPECT_EQ(layers, base.layers);
  }
}

TEST(Alternatives, PagesPrefixesAndRounding) {
  struct Pages : Kept {
    Paged c;
    explicit Pages(const Paged& closed) : Kept(closed.full), c(closed) {}
    double bytes() const {
      int64_t pages = 0;
      for (int64_t token = 0; token < now; ++token) pages += token % c.page == 0 ? 1 : 0;
      return static_cast<double>(pages * c.page) * 2.0 * vector_bytes() * static_cast<double>(lists.size());
    }
    // Kept::step reads through the tokens, not through the pages.
  };
  struct Samples {
    SharedPrefix c;
    std::vector<Kept> own;  // of each sample
    Kept shared;
    explicit Samples(const SharedPrefix& closed)
        : c(closed), own(static_cast<size_t>(c.samples), Kept(c.full)), shared(c.full) {}
    double bytes() const {
      double sum = shared.bytes();
      for (const Kept& k : own) sum += k.bytes();
      return sum / static_cast<double>(c.samples);
    }
    Moved step() {
      // What a sample writes is its own: the prefix is written before samples exist.
      Moved moved{bytes(), 2.0 * shared.vector_bytes() * static_cast<double>(shared.lists.size())};
      if (shared.now < c.prefix) {
        shared.step();
      } else {
        for (Kept& k : own) k.step();
      }
      return moved;
    }
  };
  struct Rounded {
    RoundedCache c;
    std::vector<uint8_t> memory = {};
    explicit Rounded(const RoundedCache& closed) : c(closed) {
      if (c.group != 0) return;
      for (int64_t i = 0; i < 2 * c.layers * c.kv_heads; ++i)
        memory.resize(memory.size() + static_cast<size_t>(c.scale_bytes));
    }
    double bytes() const { return static_cast<double>(memory.size()); }
    Moved step() {
      const double before = bytes();
      for (int64_t vector = 0; vector < 2 * c.layers * c.kv_heads; ++vector) {
        for (int64_t number = 0; number < c.head_size; ++number) {
          if (c.group > 0 && number % c.group == 0)
            memory.resize(memory.size() + static_cast<size_t>(c.scale_bytes));
          memory.push_back(0);
        }
      }
      return {before, bytes() - before};
    }
  };
  SpecDice dice(test_seed());
  for (int i = 0; i < 20; ++i) {
    const Paged paged{.full = random_heads(dice), .page = dice(1, 20)};
    expect_equal(paged, Pages(paged));
    double waste = 0.0;
    for (int64_t n = 1; n <= paged.page; ++n) waste += paged.held(n) - paged.full.held(n);
    EXPECT_DOUBLE_EQ(waste / static_cast<double>(paged.page), paged.mean_waste());
    const SharedPrefix prefix{.full = random_heads(dice), .prefix = dice(0, 100), .samples = dice(1, 9)};
    expect_equal(prefix, Samples(prefix));
    const RoundedCache rounded{.layers = dice(1, 3),
                               .kv_heads = dice(1, 3),
                               .head_size = dice(1, 9),
                               .group = dice(0, 9),
                               .scale_bytes = dice(1, 4)};
    expect_equal(rounded, Rounded(rounded));
  }
}

}  // namespace
}  // namespace photon::analysis::alternatives
