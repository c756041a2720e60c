// SPDX-License-Identifier: Apache-2.0
// Every byte, FLOP and cache row of core/cost against a machine that only runs the schedule and counts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "core/base/error.h"
#include "tests/core/cost/naive_machine.h"
#include "tests/support.h"

namespace photon {
namespace {

using testing::NaiveMachine;

class Draw {
 public:
  explicit Draw(uint64_t seed) : engine_(seed) {}

  int64_t between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  StackShape shape() {
    const int64_t kv_heads = between(1, 2);
    const int64_t heads = kv_heads * between(1, 3);
    return {.width = heads * 2 * between(1, 3), .ffn = between(1, 9), .heads = heads, .kv_heads = kv_heads};
  }
  EncoderWindow window() {
    switch (between(0, 2)) {
      case 0:
        return {};
      case 1:
        return {EncoderWindow::Kind::units, between(1, 9)};
      default:
        return {EncoderWindow::Kind::block, 0};
    }
  }
  ModelSpec spec(int depth) {
    ModelSpec spec;
    spec.name = "random";
    spec.vocab = between(3, 20);
    spec.base = shape();
    spec.reading = static_cast<Reading>(between(0, 3));
    if (depth == 0) spec.layers = between(1, 3);
    for (int l = 1; l <= depth; ++l) {
      LevelSpec s;
      s.chunk = between(1, 4);
      s.prefix = between(1, 3);
      s.encoder_layers = between(1, 3);
      s.decoder_layers = between(1, 3);
      s.converter_context = between(1, 3);
      s.shape = shape();
      if (l == 1) s.shape.width *= s.chunk;  // so that the embeddings divide it; the head size grows with it
      if (l < depth) s.encoder_window = window();
      spec.levels.push_back(s);
    }
    spec.validate();
    return spec;
  }
  Workload workload(const ModelSpec& spec) {
    Workload w;
    const int64_t b = spec.meta_context();
    w.prompt = spec.depth() == 0 ? between(1, 9) : between(0, 5 * b + 1);
    w.new_tokens = between(0, 2 * b + 3);
    w.batch = between(1, 3);
    w.samples = between(1, 3);
    if (spec.depth() >= 2 && between(0, 1) == 1) w.generation = Generation::recgen;
    if (w.generation == Generation::recgen && between(0, 1) == 1) w.schedule = Schedule::unrolled;
    w.weight_bytes = between(1, 4);
    w.kv_bytes = between(1, 4);
    return w;
  }

 private:
  std::mt19937_64 engine_;
};

void expect_equal(const Work& got, const Work& naive) {
  // Sums of whole numbers far below 2^53: equal to the last bit.
  EXPECT_EQ(got.weight_bytes, naive.weight_bytes);
  EXPECT_EQ(got.kv_read_bytes, naive.kv_read_bytes);
  EXPECT_EQ(got.kv_write_bytes, naive.kv_write_bytes);
  EXPECT_EQ(got.flops, naive.flops);
}

TEST(RequestCost, EqualsAMachineThatOnlyRunsTheSchedule) {
  const uint64_t seed = testing::test_seed();
  for (uint64_t i = 0; i < 1500; ++i) {
    Draw draw(seed + i);
    const int depth = static_cast<int>(i % 4);
    const ModelSpec spec = draw.spec(depth);
    const Workload w = draw.workload(spec);
    SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}: L {}, {}, {} {}, {} in, {} out, {} x {}", seed + i, depth,
                             to_string(spec.reading), to_string(w.generation), to_string(w.schedule),
                             w.prompt, w.new_tokens, w.batch, w.samples));
    NaiveMachine machine(spec, w);
    machine.run();
    const RequestCost cost = request_cost(spec, w);
    expect_equal(total(cost.prefill), machine.prefill);
    expect_equal(total(cost.decode), machine.decode);
    EXPECT_EQ(cache_rows(spec, {cost.prefill}), machine.prefill_rows);
    EXPECT_EQ(cache_rows(spec, cost.decode), machine.decode_rows);
    if (::testing::Test::HasFailure()) return;
  }
}

// Generating a text from nothing is its teacher-forced forward pass in pieces: row for row, pair for pair.
TEST(ForwardFlops, AreThoseOfGeneratingEveryToken) {
  const uint64_t seed = testing::test_seed();
  for (uint64_t i = 0; i < 200; ++i) {
    Draw draw(seed + i);
    const ModelSpec spec = draw.spec(static_cast<int>(i % 4));
    SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}: L {}", seed + i, spec.depth()));
    const int64_t tokens = spec.meta_context() * draw.between(2, 5);
    const int64_t prompt = spec.depth() == 0 ? 1 : 0;
    const RequestCost cost = request_cost(spec, {.prompt = prompt, .new_tokens = tokens - prompt});
    EXPECT_EQ(forward_flops(spec, tokens), total(cost.prefill).flops + total(cost.decode).flops);
    EXPECT_EQ(training_flops(spec, tokens), 3 * forward_flops(spec, tokens));
  }
}

LevelSpec level(int64_t chunk, int64_t prefix, StackShape shape) {
  LevelSpec s;
  s.chunk = chunk;
  s.prefix = prefix;
  s.encoder_layers = 1;
  s.decoder_layers = 1;
  s.shape = shape;
  return s;
}

ModelSpec two_levels(Reading reading, StackShape shape = {.width = 4, .ffn = 6, .heads = 2, .kv_heads = 1}) {
  ModelSpec spec;
  spec.name = "by-hand";
  spec.vocab = 10;
  spec.base = shape;
  spec.reading = reading;
  spec.levels = {level(2, 1, shape), level(2, 2, shape)};
  return spec;
}

// A layer has 2·16 + 2·(4·2) + 3·(4·6) = 120 matrix elements, the head 40, converter 1 16, converter 2 32,
// chunker 2
// 32. One meta-context (4 tokens) after a prompt of one: causal runs decoder 2 twice, decoder 1 and the head
// four times, converter 1 and encoder 1 twice, converter 2, chunker 2 and encoder 2 once.
TEST(RequestCost, OneMetaContextByHand) {
  const ModelSpec spec = two_levels(Reading::causal);
  const Workload w{.prompt = 4, .new_tokens = 4, .weight_bytes = 1, .kv_bytes = 1};
  const RequestCost cost = request_cost(spec, w);
  ASSERT_EQ(cost.decode.size(), 1u);
  const Work causal = total(cost.decode);
  EXPECT_EQ(causal.weight_bytes, 2 * 120 + 4 * (120 + 40) + 2 * (16 + 120) + 32 + 32 + 120);
  // Encoder 1 appends units 2 and 3 one by one, encoder 2 unit 1; a row is 2 · 2 bytes.
  EXPECT_EQ(cache_rows(spec, cost.decode)[1], (CacheRows{.read = 2 + 3, .written = 2}));
  EXPECT_EQ(cache_rows(spec, cost.decode)[2], (CacheRows{.read = 1, .written = 1}));
  EXPECT_EQ(causal.kv_bytes(), 4 * (5 + 2 + 1 + 1));
  // Rows: decoder 2 R + C - 1 = 3, decoder 1 two windows of 2. Pairs: decoder 2 1 + 2 + 3, decoder 1 2 · (1 +
  // 2), encoder 1 3 + 4, encoder 2 2.
  EXPECT_EQ(causal.flops, 2.0 * (120 * (3 + 4 + 2 + 1) + 40 * 4 + 16 * 2 + 32 + 32) + 16.0 * (6 + 6 + 7 + 2));

  // In parallel the same rows go through fewer forwards: decoder 1 and the head twice, the rest once.
  const ModelSpec parallel_spec = two_levels(Reading::parallel);
  const Work parallel = total(request_cost(parallel_spec, w).decode);
  EXPECT_EQ(parallel.flops, causal.flops);
  EXPECT_EQ(parallel.weight_bytes, 2 * 120 + 2 * (120 + 40) + (16 + 120) + 32 + 32 + 120);
  EXPECT_EQ(parallel.kv_bytes(), 4 * (2 + 2 + 1 + 1));
}

TEST(RequestCost, SamplesOfAPromptReadWhatTheyShareOnce) {
  const ModelSpec spec = two_levels(Reading::causal);
  Workload w{.prompt = 40, .new_tokens = 4};
  w.samples = 5;
  const auto shared = cache_rows(spec, request_cost(spec, w).decode);
  std::swap(w.samples, w.batch);
  const auto apart = cache_rows(spec, request_cost(spec, w).decode);
  EXPECT_EQ(shared[2].written, apart[2].written);
  EXPECT_EQ(shared[2].read * 5, apart[2].read);  // ten units of the prompt and nothing else
  EXPECT_EQ(shared[1].read, 20 + 20 + 5);        // the second step also sees each row's own unit
  EXPECT_EQ(apart[1].read, 5 * (20 + 21));
}

TEST(RequestCost, RefusesWhatGenerationRefuses) {
  const ModelSpec block = [] {
    ModelSpec spec = two_levels(Reading::causal);
    spec.levels.pop_back();
    return spec;
  }();
  EXPECT_THROW(request_cost(block, {.prompt = 4, .new_tokens = 4, .generation = Generation::recgen}), Error);
  EXPECT_THROW(request_cost(two_levels(Reading::causal),
                            {.prompt = 4, .new_tokens = 4, .schedule = Schedule::unrolled}),
               Error);
  EXPECT_THROW(request_cost(block, {.prompt = -1, .new_tokens = 4}), Error);
  EXPECT_THROW(request_cost(block, {.prompt = 4, .new_tokens = 4, .batch = 0}), Error);
  EXPECT_THROW(request_cost(block, {.prompt = 4, .new_tokens = 4, .samples = 0}), Error);
  ModelSpec vanilla = block;
  vanilla.levels.clear();
  vanilla.layers = 1;
  EXPECT_THROW(request_cost(vanilla, {.prompt = 0, .new_tokens = 4}), Error);
}

// Absurd batches that are still counted: work grows with the rows and never wraps around.
TEST(RequestCost, GrowsWithTheBatchUpToWhatIsRefused) {
  const StackShape wide{.width = 1 << 12, .ffn = 1 << 12, .heads = 1, .kv_heads = 1};
  const ModelSpec spec = two_levels(Reading::causal, wide);
  const auto decode = [&](int64_t batch, int64_t samples) {
    return total(
        request_cost(spec, {.prompt = 0, .new_tokens = 4, .batch = batch, .samples = samples}).decode);
  };
  const Work one = decode(1, 1);
  const Work many = decode(int64_t{1} << 32, int64_t{1} << 21);
  EXPECT_EQ(many.flops, one.flops * 0x1p53);
  EXPECT_EQ(many.other_bytes, one.other_bytes * 0x1p53);
  EXPECT_EQ(many.kv_bytes(), one.kv_bytes() * 0x1p53);
  EXPECT_EQ(many.weight_bytes, one.weight_bytes);
}

}  // namespace
}  // namespace photon
