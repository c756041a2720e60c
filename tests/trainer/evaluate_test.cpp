// SPDX-License-Identifier: Apache-2.0
// Scoring: which tokens of which windows count, what they add up to, and recgen beside teacher forcing.
#include "trainer/evaluate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <random>

#include "core/base/error.h"
#include "core/model/parameters.h"
#include "reference/backend.h"
#include "tests/support.h"
#include "trainer/quality_row.h"

namespace photon::trainer {
namespace {

using testing::message_of;

ModelSpec photon_spec() {
  const StackShape shape{.width = 12, .ffn = 16, .heads = 2, .kv_heads = 2};
  ModelSpec spec{.name = "photon", .vocab = 32, .base = shape, .levels = {}};
  for (int l = 1; l <= 2; ++l) {
    spec.levels.push_back({.chunk = 2,
                           .prefix = 2,
                           .encoder_layers = 1,
                           .decoder_layers = 1,
                           .encoder_window = {},
                           .shape = shape});
  }
  spec.validate();
  return spec;
}

/// Remembers what it is asked; log p depends on the token and its place in the window alone.
class Recorder : public InferenceModel {
 public:
  explicit Recorder(ModelSpec spec) : spec_(std::move(spec)) {}
  const ModelSpec& spec() const override { return spec_; }
  std::vector<NamedTensor> forward(const TokenBatch&) override { return {}; }
  GenerationResult generate(const GenerationRequest&) override { return {}; }
  MemoryPlan memory_plan(const GenerationRequest&) const override { return {}; }
  std::vector<double> token_log_probs(const TokenBatch& batch) override {
    EXPECT_EQ(batch.length % spec_.meta_context(), 0);
    EXPECT_EQ(std::ssize(batch.ids), batch.sequences * batch.length);
    largest_rows = std::max(largest_rows, batch.sequences);
    std::vector<double> out;
    for (int64_t b = 0; b < batch.sequences; ++b) {
      for (int64_t t = 0; t < batch.length; ++t)
        out.push_back(log_prob(batch.sequence(b)[static_cast<size_t>(t)], t));
    }
    return out;
  }
  static double log_prob(int32_t token, int64_t place) {
    return place == 0 ? -1e6 : -0.01 * token - 1e-4 * static_cast<double>(place);
  }
  int64_t largest_rows = 0;

 private:
  ModelSpec spec_;
};

std::vector<int32_t> counting(int64_t n) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  std::iota(ids.begin(), ids.end(), 0);
  for (int32_t& id : ids) id %= 32;
  return ids;
}

TEST(Score, EveryWindowsTokensFromTheSecondOnAreScoredOnce) {
  Recorder model(photon_spec());
  for (const int64_t context : {4, 12}) {
    for (int64_t n = 2; n <= 4 * context; ++n) {
      const auto ids = counting(n);
      const Score s = score(model, ids, {.context = context, .batch = 3}, {});
      double expected = 0.0;
      int64_t count = 0;
      for (int64_t i = 0; i < n; ++i) {
        if (i % context == 0) continue;
        expected -= Recorder::log_prob(ids[static_cast<size_t>(i)], i % context);
        ++count;
      }
      ASSERT_EQ(s.tokens, count) << n << " tokens in windows of " << context;
      ASSERT_NEAR(s.nll, expected, 1e-12 * expected + 1e-15);
    }
  }
  EXPECT_EQ(model.largest_rows, 3);
}

TEST(Score, StridedWindowsScoreEveryTokenButTheFirst) {
  Recorder model(photon_spec());
  constexpr int64_t context = 12;
  for (const int64_t stride : {4, 8}) {
    for (int64_t n = 2; n <= 40; ++n) {
      const auto ids = counting(n);
      const Score s = score(model, ids, {.context = context, .stride = stride, .batch = 2}, {});
      ASSERT_EQ(s.tokens, n - 1) << n << " tokens, stride " << stride;
      double expected = 0.0;
      for (int64_t i = 1; i < n; ++i) {
        // The first window that holds token i scores it.
        const int64_t begin = i < context ? 0 : (i - context + stride) / stride * stride;
        expected -= Recorder::log_prob(ids[static_cast<size_t>(i)], i - begin);
      }
      ASSERT_NEAR(s.nll, expected, 1e-12 * expected) << n << " tokens, stride " << stride;
    }
  }
}

TEST(Score, BytesAreThoseOfTheScoredTokens) {
  Recorder model(photon_spec());
  const auto ids = counting(11);
  TokenBytes bytes;
  for (const int32_t id : ids) bytes.push_back(id * 10);
  const Score s = score(model, ids, {.context = 4}, bytes);
  EXPECT_EQ(s.bytes, 10 * (1 + 2 + 3 + 5 + 6 + 7 + 9 + 10));
  EXPECT_NEAR(*s.bits_per_byte(), s.nll / std::numbers::ln2 / static_cast<double>(*s.bytes), 1e-12);
  EXPECT_FALSE(score(model, ids, {.context = 4}, {}).bits_per_byte().has_value());

  // Where it is not known what a token stands for, a score that has this token has no bits per byte.
  bytes[4] = -1;
  EXPECT_EQ(score(model, ids, {.context = 4}, bytes).bytes, s.bytes) << "the first of a window is not scored";
  bytes[5] = -1;
  const Score unknown = score(model, ids, {.context = 4}, bytes);
  EXPECT_FALSE(unknown.bytes.has_value() || unknown.bits_per_byte().has_value());
  EXPECT_EQ(unknown.nll, s.nll);
}

TEST(Score, BytesGoByPlaceAndNotByToken) {
  Recorder model(photon_spec());
  const std::vector<int32_t> ids(40, 7);
  TokenBytes bytes(ids.size());
  std::iota(bytes.begin(), bytes.end(), 0);
  for (const int64_t stride : {4, 8, 12}) {
    const Score s = score(model, ids, {.context = 12, .stride = stride, .batch = 3}, bytes);
    int32_t expected = 0;
    for (int32_t i = 1; i < 40; ++i) expected += stride == 12 && i % 12 == 0 ? 0 : i;
    EXPECT_EQ(s.bytes, expected) << stride;
  }
}

// Of windows of one length, the standard error of their means.
TEST(Score, StandardErrorsAreThoseOfWindowMeans) {
  Recorder model(photon_spec());
  std::mt19937_64 random(testing::test_seed());
  std::vector<int32_t> ids(12 * 20);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % 32);
  const Score s = score(model, ids, {.context = 12}, TokenBytes(ids.size(), 3));
  std::vector<double> means;
  for (size_t w = 0; w < 20; ++w) {
    double sum = 0.0;
    for (size_t t = 1; t < 12; ++t) sum -= Recorder::log_prob(ids[12 * w + t], static_cast<int64_t>(t));
    means.push_back(sum / 11.0);
  }
  const double mean = std::accumulate(means.begin(), means.end(), 0.0) / 20.0;
  double squares = 0.0;
  for (const double m : means) squares += (m - mean) * (m - mean);
  const double expected = std::sqrt(squares / 19.0 / 20.0);
  EXPECT_EQ(s.windows, 20);
  EXPECT_NEAR(s.token_nll_error.value(), expected, 1e-12);
  EXPECT_NEAR(s.perplexity_error().value(), expected * std::exp(mean), 1e-10);
  EXPECT_NEAR(s.bits_per_byte_error.value(), expected / 3.0 / std::numbers::ln2, 1e-12);

  const Score one = score(model, std::span(ids).first(12), {.context = 12}, {});
  EXPECT_EQ(one.windows, 1);
  EXPECT_FALSE(one.token_nll_error || one.bits_per_byte_error || one.perplexity_error());
}

// Where tokens differ in their bytes, that of the ratio: leaving out one window at a time says the same.
TEST(Score, StandardErrorOfBitsPerByteIsThatOfARatio) {
  Recorder model(photon_spec());
  std::mt19937_64 random(testing::test_seed());
  std::vector<int32_t> ids(12 * 200);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % 32);
  const auto bytes = [](int32_t id) { return 1 + id / 4; };
  TokenBytes of_text;
  for (const int32_t id : ids) of_text.push_back(bytes(id));
  const Score s = score(model, ids, {.context = 12}, of_text);
  std::vector<double> left_out;
  for (size_t w = 0; w < 200; ++w) {
    double nll = s.nll;
    auto rest = static_cast<double>(*s.bytes);
    for (size_t t = 1; t < 12; ++t) {
      nll += Recorder::log_prob(ids[12 * w + t], static_cast<int64_t>(t));
      rest -= static_cast<double>(bytes(ids[12 * w + t]));
    }
    left_out.push_back(nll / rest / std::numbers::ln2);
  }
  const double mean = std::accumulate(left_out.begin(), left_out.end(), 0.0) / 200.0;
  double squares = 0.0;
  for (const double x : left_out) squares += (x - mean) * (x - mean);
  EXPECT_NEAR(s.bits_per_byte_error.value() / std::sqrt(squares * 199.0 / 200.0), 1.0, 0.03);
}

TEST(Score, WhatDoesNotFitIsRefusedWithItsNumbers) {
  Recorder model(photon_spec());
  const auto ids = counting(40);
  const auto fault = [&](ScoreOptions options, std::span<const int32_t> tokens) {
    return message_of<Error>([&] { score(model, tokens, options, {}); });
  };
  EXPECT_NE(fault({.context = 6}, ids).find("context = 6"), std::string::npos);
  EXPECT_NE(fault({.context = 8, .stride = 2}, ids).find("stride = 2"), std::string::npos);
  EXPECT_NE(fault({.context = 8, .stride = 12}, ids).find("stride = 12"), std::string::npos);
  EXPECT_NE(fault({.context = 8}, std::span(ids).first(1)).find("1 tokens"), std::string::npos);
  EXPECT_NE(message_of<Error>([&] {
              score_recgen(model, ids, {.context = 8}, 8, Schedule::streamed, {});
            }).find("prompt = 8"),
            std::string::npos);
}

class OnTheReference : public ::testing::Test {
 protected:
  OnTheReference() { reference::add_backend(registry_); }
  std::unique_ptr<InferenceModel> model(const ModelSpec& spec) {
    auto parameters = initial_parameters(spec, testing::test_seed());
    for (float& p : parameters) p *= 5.0f;  // far enough from uniform for differences to show
    return registry_.make("cpu")->inference(spec, parameters, DType::float64);
  }
  BackendRegistry registry_;
};

TEST_F(OnTheReference, PaddingAndBatchingDoNotChangeTheScore) {
  const auto m = model(photon_spec());
  const auto ids = counting(45);
  const Score whole = score(*m, ids, {.context = 16, .batch = 1}, {});
  const Score batched = score(*m, ids, {.context = 16, .batch = 5}, {});
  EXPECT_EQ(whole.tokens, 42);
  EXPECT_NEAR(whole.nll, batched.nll, 1e-9 * whole.nll);
  const Score front = score(*m, std::span(ids).first(32), {.context = 16}, {});
  const Score tail = score(*m, std::span(ids).last(13), {.context = 16}, {});
  EXPECT_NEAR(whole.nll, front.nll + tail.nll, 1e-9 * whole.nll);
}

TEST_F(OnTheReference, RecGenIsScoredBesideTeacherForcingOnTheSameTokens) {
  const auto m = model(photon_spec());
  const auto ids = counting(70);
  constexpr int64_t context = 16;
  for (const int64_t prompt : {1, 5, 8, 15}) {
    TokenBytes bytes(ids.size());
    std::iota(bytes.begin(), bytes.end(), 0);
    const auto streamed =
        score_recgen(*m, ids, {.context = context, .batch = 3}, prompt, Schedule::streamed, bytes);
    const auto unrolled =
        score_recgen(*m, ids, {.context = context, .batch = 4}, prompt, Schedule::unrolled, {});
    EXPECT_EQ(streamed.recgen.tokens, 4 * (context - prompt));
    EXPECT_EQ(streamed.hiergen.tokens, streamed.recgen.tokens);
    int32_t expected_bytes = 0;
    for (int32_t i = 0; i < 4 * context; ++i) expected_bytes += i % context < prompt ? 0 : i;
    EXPECT_EQ(streamed.recgen.bytes, expected_bytes);
    EXPECT_EQ(streamed.hiergen.bytes, expected_bytes);
    EXPECT_NEAR(streamed.recgen.nll, unrolled.recgen.nll, 1e-9 * streamed.recgen.nll);

    double teacher = 0.0;
    for (int64_t w = 0; w < 4; ++w) {
      const auto begin = ids.begin() + w * context;
      const auto log_probs =
          m->token_log_probs({.sequences = 1, .length = context, .ids = {begin, begin + context}});
      for (int64_t t = prompt; t < context; ++t) teacher -= log_probs[static_cast<size_t>(t)];
    }
    EXPECT_NEAR(streamed.hiergen.nll, teacher, 1e-9 * teacher);
    // Within the prompt's last meta-context and the one after, recgen has seen all that teacher forcing has.
    if (prompt < 8) {
      EXPECT_GT(std::abs(streamed.recgen.nll - streamed.hiergen.nll), 1e-6 * teacher);
    }
  }
}

TEST_F(OnTheReference, RecGenNeedsTwoLevels) {
  ModelSpec spec = photon_spec();
  spec.levels.pop_back();
  const auto m = model(spec);
  const auto ids = counting(40);
  EXPECT_NE(message_of<Error>([&] {
              score_recgen(*m, ids, {.context = 8}, 4, Schedule::streamed, {});
            }).find("two"),
            std::string::npos);
}

TEST(QualityRow, SaysWhatTheModelWasGiven) {
  ScoredCheckpoint q;
  q.checkpoint = "out/x";
  q.training = RunState{
      .step = 10, .steps = 10, .tokens = 640, .flops = 1e9, .identity = {{"match", "flops"}, {"seed", "2"}}};
  q.corpus = "test.txt";
  q.context = 8;
  q.score = {.nll = 30.0, .tokens = 10, .bytes = 25};
  const ResultRow row = quality_row(photon_spec(), q);
  EXPECT_EQ(row.text("kind"), "eval");
  EXPECT_EQ(row.text("chunks"), "2x2");
  EXPECT_EQ(row.text("match"), "flops");
  EXPECT_EQ(row.number("training_flops"), 1e9);
  EXPECT_DOUBLE_EQ(*row.number("token_nll"), 3.0);
  EXPECT_DOUBLE_EQ(*row.number("perplexity"), std::exp(3.0));
  EXPECT_DOUBLE_EQ(*row.number("bits_per_byte"), 30.0 / std::numbers::ln2 / 25.0);
  EXPECT_TRUE(row.empty("prompt"));
}

}  // namespace
}  // namespace photon::trainer
