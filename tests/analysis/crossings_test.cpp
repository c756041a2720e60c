// SPDX-License-Identifier: Apache-2.0
#include "analysis/crossings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/cost/floor.h"
#include "core/cost/hardware.h"
#include "core/model/model_config.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon::analysis {
namespace {

using photon::testing::SpecDice;
using photon::testing::test_seed;
using Kind = Comparison::Kind;

const std::filesystem::path configs = share_folder() / "configs";

Ceilings random_ceilings(SpecDice& dice) {
  Ceilings c;
  c.bandwidth = static_cast<double>(dice(1, 1000));
  c.matrix_rate = c.bandwidth * static_cast<double>(dice(1, 60));
  return c;
}

DecodeCase random_case(SpecDice& dice, int depth) {
  DecodeCase c{.spec = dice.spec(depth), .element_bytes = int64_t{1} << dice(0, 2)};
  if (depth >= 2 && dice(0, 1) == 1) c.generation = Generation::recgen;
  return c;
}

std::vector<Comparison> comparisons(const DecodeCase& c) {
  std::vector<Comparison> all{{Kind::kv_over_weights}, {Kind::arithmetic_over_bytes}};
  for (const NamedPart& p : cached_parts(c)) all.push_back({Kind::kv_over_weights, p.part});
  for (const NamedPart& p : product_parts(c)) all.push_back({Kind::arithmetic_over_bytes, p.part});
  return all;
}

// Every number of a range, counted one by one.
TEST(Crossings, AreWhatAScanOfTheWholeRangeFinds) {
  SpecDice dice(test_seed());
  int found = 0;
  for (int i = 0; i < 80; ++i) {
    const DecodeCase c = random_case(dice, i % 4);
    const Ceilings ceilings = random_ceilings(dice);
    const int64_t meta = c.spec.meta_context();
    for (const Comparison& comparison : comparisons(c)) {
      SCOPED_TRACE(fmt::format("case {}, {}, part {}", i,
                               comparison.kind == Kind::kv_over_weights ? "KV" : "FLOPs",
                               comparison.part.has_value()));
      const int64_t context = meta * dice(1, 60);
      const Crossing batches = over_batch(c, comparison, ceilings, context, 200);
      for (int64_t b = 1; b <= 200; ++b)
        ASSERT_EQ(batches.holds_at(b), comparison.holds(c.decode_step(context, b), ceilings))
            << "batch " << b;
      const int64_t batch = dice(1, 40);
      const Crossing contexts = over_context(c, comparison, ceilings, batch, 150 * meta);
      for (int64_t m = 1; m <= 150; ++m)
        ASSERT_EQ(contexts.holds_at(m * meta), comparison.holds(c.decode_step(m * meta, batch), ceilings))
            << m << " meta-contexts";
      for (const int64_t change : contexts.changes) EXPECT_EQ(change % meta, 0);
      found += static_cast<int>(batches.changes.size() + contexts.changes.size());
    }
  }
  EXPECT_GT(found, 100) << "the ranges are too small to find anything";
}

// At the number before a change the one term is not larger, at the change it is (or the other way round).
TEST(Crossings, TurnExactlyWhereTheyAreToldTo) {
  SpecDice dice(test_seed());
  for (int i = 0; i < 80; ++i) {
    const DecodeCase c = random_case(dice, i % 4);
    const Ceilings ceilings = random_ceilings(dice);
    const int64_t meta = c.spec.meta_context();
    const int64_t context = meta * dice(1, 5000);
    const Crossing kv = over_batch(c, {Kind::kv_over_weights}, ceilings, context);
    ASSERT_LE(kv.changes.size(), 1u);
    for (const int64_t b : kv.changes) {
      const Work before = total(c.decode_step(context, b - 1));
      const Work at = total(c.decode_step(context, b));
      EXPECT_LE(before.kv_bytes(), before.weight_bytes);
      EXPECT_GT(at.kv_bytes(), at.weight_bytes);
    }
    const Crossing far = over_context(c, {Kind::kv_over_weights}, ceilings, dice(1, 20));
    EXPECT_FALSE(far.changes.size() > 1) << "caches never shrink";
    const Crossing bound = over_context(c, {Kind::arithmetic_over_bytes}, ceilings, dice(1, 500));
    for (const int64_t change : bound.changes) {
      EXPECT_NE(bound.holds_at(change - meta), bound.holds_at(change));
    }
  }
}

// Traffic and arithmetic are linear in the batch, so the crossing has a closed form.
TEST(Crossings, OverBatchesEqualTheClosedForm) {
  SpecDice dice(test_seed());
  for (int i = 0; i < 200; ++i) {
    const DecodeCase c = random_case(dice, i % 4);
    const Ceilings ceilings = random_ceilings(dice);
    const int64_t context = c.spec.meta_context() * dice(1, 1000);
    const Work one = total(c.decode_step(context, 1));
    const auto weights = static_cast<int64_t>(one.weight_bytes);
    const auto kv = static_cast<int64_t>(one.kv_bytes());
    const Crossing caches = over_batch(c, {Kind::kv_over_weights}, ceilings, context);
    const int64_t expected = weights / kv + 1;  // every step writes, so kv > 0
    if (expected == 1) {
      EXPECT_TRUE(caches.at_low && caches.changes.empty());
    } else {
      EXPECT_FALSE(caches.at_low);
      EXPECT_EQ(caches.changes, std::vector<int64_t>{expected});
    }
    const Crossing compute = over_batch(c, {Kind::arithmetic_over_bytes}, ceilings, context);
    const double gain = one.flops / ceilings.matrix_rate - one.kv_bytes() / ceilings.bandwidth;
    if (gain <= 0.0) {
      EXPECT_TRUE(!compute.at_low && compute.changes.empty());
      continue;
    }
    const double root = one.weight_bytes / ceilings.bandwidth / gain;
    const double slack = 1e-9 * root;
    const int64_t first = compute.at_low            ? 1
                          : compute.changes.empty() ? largest_crossing_batch + 1
                                                    : compute.changes[0];
    EXPECT_GE(static_cast<double>(first), root - slack);
    if (first > 1 && first <= largest_crossing_batch) {
      EXPECT_LE(static_cast<double>(first - 1), root + slack);
    }
  }
}

TEST(Crossings, MoveTheRightWay) {
  SpecDice dice(test_seed());
  const auto first = [](const Crossing& c) {
    return c.at_low ? c.low : c.changes.empty() ? std::numeric_limits<int64_t>::max() : c.changes[0];
  };
  for (int i = 0; i < 60; ++i) {
    const DecodeCase c = random_case(dice, i % 4);
    Ceilings ceilings = random_ceilings(dice);
    const int64_t near = c.spec.meta_context() * dice(1, 500);
    const int64_t far = near + c.spec.meta_context() * dice(0, 500);
    // A longer context needs fewer rows for its caches to outweigh the weights, and more rows a shorter
    // context.
    EXPECT_LE(first(over_batch(c, {Kind::kv_over_weights}, ceilings, far)),
              first(over_batch(c, {Kind::kv_over_weights}, ceilings, near)));
    const int64_t few = dice(1, 20);
    EXPECT_LE(first(over_context(c, {Kind::kv_over_weights}, ceilings, few + dice(0, 20))),
              first(over_context(c, {Kind::kv_over_weights}, ceilings, few)));
    // Faster arithmetic is overtaken later.
    const Crossing slow = over_batch(c, {Kind::arithmetic_over_bytes}, ceilings, near);
    ceilings.matrix_rate *= 2.0;
    EXPECT_LE(first(slow), first(over_batch(c, {Kind::arithmetic_over_bytes}, ceilings, near)));
  }
}

TEST(Crossings, AgreeWithTheFloorsBound) {
  const Ceilings h200 = load_hardware(configs / "hardware" / "h200.toml").ceilings(DType::bfloat16);
  // At longer contexts a row of vanilla costs more bytes than FLOPs, and no batch helps.
  for (const auto& [name, context] :
       {std::pair{"vanilla-600m", 16}, {"block-600m", 256}, {"photon-600m", 256}}) {
    const DecodeCase c{.spec = load_model_spec(configs / "models" / (std::string(name) + ".toml"))};
    const Crossing compute = over_batch(c, {Kind::arithmetic_over_bytes}, h200, context);
    ASSERT_EQ(compute.changes.size(), 1u) << name;
    for (const int64_t batch : {compute.changes[0] - 1, compute.changes[0]}) {
      const Workload w{.prompt = context, .new_tokens = c.spec.meta_context(), .batch = batch};
      const bool bound = request_floor(c.spec, w, h200).decode.bound == Bound::compute;
      EXPECT_EQ(bound, compute.holds_at(batch)) << name << ", batch " << batch;
    }
  }
}

// By hand: 16 layers of 4 D^2 + 3 D F and the head, against 2 · 2 · 16 · D bytes a token.
TEST(Crossings, OfVanillaByHand) {
  const DecodeCase c{.spec = load_model_spec(configs / "models" / "vanilla-600m.toml")};
  Ceilings ceilings;
  ceilings.bandwidth = ceilings.matrix_rate = 1.0;
  const int64_t weights = 2 * (16 * (4 * 1664 * 1664 + 3 * 1664 * 4096) + 32000 * 1664);
  const int64_t token = 2 * 2 * 16 * 1664;
  const Crossing crossing = over_context(c, {Kind::kv_over_weights}, ceilings, 1);
  // A step after n tokens reads n and writes one.
  EXPECT_EQ(crossing.changes, std::vector<int64_t>{weights / token});
}

TEST(Crossings, WordsAndRefusals) {
  EXPECT_EQ(to_string(Crossing{1, 1024, false, {}}), "never up to 1,024");
  EXPECT_EQ(to_string(Crossing{1, 1024, true, {}}), "always");
  EXPECT_EQ(to_string(Crossing{1, 1024, false, {37}}), "from 37");
  EXPECT_EQ(to_string(Crossing{1, 1024, true, {96}}), "below 96");
  EXPECT_EQ(to_string(Crossing{1, 1024, true, {9, 1000}}), "below 9, from 1,000");
  EXPECT_EQ(to_string(Crossing{1, 1024, false, {37, 96}}), "from 37 to below 96");
  const DecodeCase c{.spec = load_model_spec(configs / "models" / "vanilla-tiny.toml")};
  EXPECT_THROW(over_batch(c, {Kind::kv_over_weights}, Ceilings{}, 64), Error);
  DecodeCase no_recgen = c;
  no_recgen.generation = Generation::recgen;
  EXPECT_THROW(product_parts(no_recgen), Error);
}

}  // namespace
}  // namespace photon::analysis
