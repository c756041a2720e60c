// SPDX-License-Identifier: Apache-2.0
// Whole models on the device against the reference in double: every reading, window, generation and schedule.
// The bound is the error that bf16 brings by itself, from a plain implementation that rounds where this one
// does.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "core/base/error.h"
#include "core/cost/cost.h"
#include "cuda_impl/generation/generator.h"
#include "cuda_impl/model/forward_pass.h"
#include "reference/generator.h"
#include "reference/scoring.h"
#include "tests/cuda_impl/device_models.h"

namespace photon::PHOTON_GPU {
namespace {

using photon::testing::device_models;
using photon::testing::device_spec;
using photon::testing::ModelCase;
using photon::testing::rounded_parameters;

/// One model three times: on the device, in the reference, and plain.
struct Loaded {
  explicit Loaded(const ModelSpec& s, int64_t gemv_rows = 4)
      : spec(s),
        parameters(rounded_parameters(s)),
        exact_parameters(parameters.begin(), parameters.end()),
        reference_weights(reference::view_weights(spec, exact_parameters.data())),
        exact_model(spec, exact_parameters.data()),
        exact(spec, reference_weights),
        weights(spec, parameters),
        linear(static_cast<float>(spec.norm_eps), gemv_rows),
        limits{.gemv_rows = gemv_rows},
        generator(spec, weights.view(), stream, linear, limits),
        forward(spec, weights.view(), stream, matmul) {}

  ModelSpec spec;
  std::vector<float> parameters;
  reference::AlignedVector<double> exact_parameters;
  reference::Weights<double> reference_weights;
  reference::Model<double> exact_model;
  reference::Generator<double> exact;
  Stream stream;
  Weights weights;
  Linears linear;
  Matmul matmul;
  EngineLimits limits;
  Generator generator;
  ForwardPass forward;
};

std::vector<int32_t> random_tokens(const ModelSpec& spec, int64_t length, uint64_t seed) {
  return photon::testing::random_batch(spec, 1, length, seed).ids;
}

class DeviceModel : public ::testing::TestWithParam<ModelCase> {};
INSTANTIATE_TEST_SUITE_P(All, DeviceModel, ::testing::ValuesIn(device_models()),
                         [](const auto& test) { return test.param.name; });

/// How far the device's log probabilities are from exact ones, each in units of what rounding to bf16 does to
/// that very number: the root mean square over plain runs that round at random. A mistake in one place is
/// many such units there, however much the model as a whole magnifies errors.
class Errors {
 public:
  static constexpr uint64_t runs = 6;

  /// plain(seed): the same log probabilities from a plain run.
  void add(const std::vector<double>& device, const std::vector<double>& exact,
           const std::function<std::vector<double>(uint64_t seed)>& plain) {
    ASSERT_EQ(device.size(), exact.size());
    std::vector<double> squares(exact.size(), 0.0);
    for (uint64_t seed = 0; seed < runs; ++seed) {
      const std::vector<double> values = plain(photon::testing::test_seed() + seed);
      ASSERT_EQ(values.size(), exact.size());
      for (size_t i = 0; i < exact.size(); ++i) squares[i] += (values[i] - exact[i]) * (values[i] - exact[i]);
    }
    for (size_t i = 0; i < exact.size(); ++i) {
      ASSERT_TRUE(std::isfinite(device[i])) << "token " << i;
      if (squares[i] == 0.0) {
        ASSERT_EQ(device[i], exact[i]) << "token " << i;  // a vanilla model's first
        continue;
      }
      sum_ += (device[i] - exact[i]) * (device[i] - exact[i]) / (squares[i] / static_cast<double>(runs));
      ++count_;
    }
  }
  void expect_within_twice_plain() const {
    ASSERT_GT(count_, 0);
    const double units = std::sqrt(sum_ / static_cast<double>(count_));
    EXPECT_LE(units, 2.0) << "over " << count_ << " tokens";
  }

 private:
  double sum_ = 0.0;
  int64_t count_ = 0;
};

std::vector<std::vector<int32_t>> ragged_prompts(const ModelSpec& spec) {
  const int64_t b = spec.meta_context();
  std::vector<std::vector<int32_t>> prompts;
  uint64_t seed = photon::testing::test_seed();
  for (const int64_t length :
       {spec.depth() == 0 ? int64_t{1} : int64_t{0}, b, 2 * b + 1, 4 * b - 1, 3 * b, 2 * b}) {
    prompts.push_back(random_tokens(spec, length, seed++));
  }
  return prompts;
}

/// What follows each prompt is given, so that device, reference and plain model score the same text.
GenerationRequest forced_request(const ModelSpec& spec) {
  GenerationRequest request;
  request.prompts = ragged_prompts(spec);
  request.new_tokens = 2 * spec.meta_context() + 3;
  for (size_t r = 0; r < request.prompts.size(); ++r) {
    request.forced.push_back(random_tokens(spec, request.new_tokens, photon::testing::test_seed() + 50 + r));
  }
  return request;
}

std::vector<int32_t> text_of(const GenerationRequest& request, size_t row) {
  std::vector<int32_t> text = request.prompts[row / static_cast<size_t>(request.samples)];
  text.insert(text.end(), request.forced[row].begin(), request.forced[row].end());
  return text;
}

/// log p of what follows the prompt of one row, from a plain run.
std::vector<double> plain_tail(const Loaded& m, const GenerationRequest& request, size_t row, uint64_t seed) {
  photon::testing::NaiveModel<float> plain(m.spec, m.parameters, seed);
  const auto prompt = std::ssize(request.prompts[row / static_cast<size_t>(request.samples)]);
  auto out = plain.log_probs(text_of(request, row), {request.generation, prompt / m.spec.meta_context()});
  out.erase(out.begin(), out.begin() + prompt);
  out.resize(static_cast<size_t>(request.new_tokens));
  return out;
}

// The plain model in double is the reference, so that its float twin is the same model with bf16's errors.
TEST_P(DeviceModel, PlainModelIsTheReference) {
  const ModelSpec& spec = GetParam().spec;
  Loaded m(spec);
  photon::testing::NaiveModel<double> plain(spec, m.parameters);
  const std::vector<int32_t> text =
      random_tokens(spec, 3 * spec.meta_context() + 1, photon::testing::test_seed());
  const auto expected =
      reference::token_log_probs(m.exact_model, {1, static_cast<int64_t>(text.size()), text});
  const auto actual = plain.log_probs(text);
  for (size_t i = 0; i < text.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-9) << "token " << i;
}

// And its generation, recgen's two differences each by itself, has nothing in common with the walk.
TEST_P(DeviceModel, PlainModelGeneratesAsTheReference) {
  const ModelSpec& spec = GetParam().spec;
  Loaded m(spec);
  photon::testing::NaiveModel<double> plain(spec, m.parameters);
  for (int way = 0; way < (spec.depth() < 2 ? 1 : 5); ++way) {
    GenerationRequest request = forced_request(spec);
    if (way > 0) request.generation = Generation::recgen;
    request.recgen_observes_upward = way == 2;
    request.recgen_keeps_reading_feedback = way == 3;
    if (way == 4) request.schedule = Schedule::unrolled;
    const GenerationResult exact = m.exact.run(request);
    for (size_t r = 0; r < request.prompts.size(); ++r) {
      const auto prompt = std::ssize(request.prompts[r]);
      photon::testing::NaiveModel<double>::Way same(request.generation, prompt / spec.meta_context());
      same.observes_upward = same.observes_upward || way == 2;
      same.observes_feedback = same.observes_feedback || way == 3;
      const auto expected = plain.log_probs(text_of(request, r), same);
      for (int64_t i = 0; i < request.new_tokens; ++i) {
        EXPECT_NEAR(exact.log_probs[r][static_cast<size_t>(i)], expected[static_cast<size_t>(prompt + i)],
                    1e-9)
            << "way " << way << ", row " << r << ", token " << i;
      }
    }
  }
}

TEST_P(DeviceModel, ForwardEqualsReference) {
  const ModelSpec& spec = GetParam().spec;
  Loaded m(spec);
  const TokenBatch batch =
      photon::testing::random_batch(spec, 3, 4 * spec.meta_context() - 1, photon::testing::test_seed());
  const auto exact = reference::token_log_probs(m.exact_model, batch);
  const auto fast = m.forward.token_log_probs(batch);
  Errors errors;
  errors.add(fast, exact, [&](uint64_t seed) {
    photon::testing::NaiveModel<float> plain(spec, m.parameters, seed);
    std::vector<double> out;
    for (int64_t r = 0; r < batch.sequences; ++r) {
      const auto row = batch.sequence(r);
      const auto values = plain.log_probs({row.begin(), row.end()});
      out.insert(out.end(), values.begin(), values.end());
    }
    return out;
  });
  errors.expect_within_twice_plain();
}

TEST_P(DeviceModel, HiergenEqualsReference) {
  const ModelSpec& spec = GetParam().spec;
  Loaded m(spec);
  const GenerationRequest request = forced_request(spec);
  const GenerationResult exact = m.exact.run(request);
  const GenerationResult fast = m.generator.run(request);
  EXPECT_EQ(fast.tokens, exact.tokens);
  EXPECT_EQ(fast.prefill_rows, exact.prefill_rows);
  EXPECT_EQ(fast.decode_rows, exact.decode_rows);
  Errors errors;
  for (size_t r = 0; r < request.prompts.size(); ++r) {
    errors.add(fast.log_probs[r], exact.log_probs[r],
               [&](uint64_t seed) { return plain_tail(m, request, r, seed); });
  }
  errors.expect_within_twice_plain();
}

TEST_P(DeviceModel, RecgenEqualsReference) {
  const ModelSpec& spec = GetParam().spec;
  if (spec.depth() < 2) return;
  Loaded m(spec);
  for (const Schedule schedule : {Schedule::streamed, Schedule::unrolled}) {
    GenerationRequest request = forced_request(spec);
    request.generation = Generation::recgen;
    request.schedule = schedule;
    const GenerationResult exact = m.exact.run(request);
    const GenerationResult fast = m.generator.run(request);
    EXPECT_EQ(fast.tokens, exact.tokens);
    EXPECT_EQ(fast.prefill_rows, exact.prefill_rows);
    EXPECT_EQ(fast.decode_rows, exact.decode_rows);
    Errors errors;
    for (size_t r = 0; r < request.prompts.size(); ++r) {
      errors.add(fast.log_probs[r], exact.log_probs[r],
                 [&](uint64_t seed) { return plain_tail(m, request, r, seed); });
    }
    errors.expect_within_twice_plain();
  }
}

TEST_P(DeviceModel, SamplesShareTheirPrompt) {
  const ModelSpec& spec = GetParam().spec;
  Loaded m(spec);
  GenerationRequest request;
  request.prompts = {random_tokens(spec, 3 * spec.meta_context() + 1, 1),
                     random_tokens(spec, 2 * spec.meta_context(), 2)};
  request.samples = 3;
  request.new_tokens = 2 * spec.meta_context() + 1;
  for (uint64_t r = 0; r < 6; ++r) request.forced.push_back(random_tokens(spec, request.new_tokens, 10 + r));
  const GenerationResult exact = m.exact.run(request);
  const GenerationResult fast = m.generator.run(request);
  EXPECT_EQ(fast.tokens, exact.tokens);
  EXPECT_EQ(fast.prefill_rows, exact.prefill_rows);
  EXPECT_EQ(fast.decode_rows, exact.decode_rows);
  EXPECT_EQ(fast.kv_bytes_held * 4, exact.kv_bytes_held);  // two bytes an element against eight
  Errors errors;
  for (size_t r = 0; r < 6; ++r) {
    errors.add(fast.log_probs[r], exact.log_probs[r],
               [&](uint64_t seed) { return plain_tail(m, request, r, seed); });
  }
  errors.expect_within_twice_plain();
}

// Whatever order lanes and blocks run in, and whether a graph replays or the host launches, bits are the
// same.
TEST_P(DeviceModel, RunsAreBitIdentical) {
  const ModelSpec& spec = GetParam().spec;
  Loaded m(spec);
  GenerationRequest request;
  request.prompts = ragged_prompts(spec);
  request.new_tokens = 2 * spec.meta_context() + 1;
  request.sampling = {.temperature = 0.9, .top_k = 7, .top_p = 0.95, .seed = 5};
  const GenerationResult first = m.generator.run(request);
  const GenerationResult replayed = m.generator.run(request);
  m.generator.set_eager(true);
  const GenerationResult eager = m.generator.run(request);
  EXPECT_EQ(first.tokens, replayed.tokens);
  EXPECT_EQ(first.log_probs, replayed.log_probs);
  EXPECT_EQ(first.tokens, eager.tokens);
  EXPECT_EQ(first.log_probs, eager.log_probs);
  EXPECT_EQ(first.decode_rows, eager.decode_rows);
}

// Nothing is asked for: prompts of whole meta-contexts leave not even a chunk to complete.
TEST_P(DeviceModel, NoNewTokensAreNone) {
  const ModelSpec& spec = GetParam().spec;
  Loaded m(spec);
  const int64_t b = spec.meta_context();
  const int64_t least = spec.depth() == 0 ? 1 : 0;
  std::vector<GenerationRequest> requests(spec.depth() < 2 ? 1 : 3);
  for (size_t i = 1; i < requests.size(); ++i) {
    requests[i].generation = Generation::recgen;
    requests[i].schedule = i == 1 ? Schedule::streamed : Schedule::unrolled;
  }
  for (GenerationRequest& request : requests) {
    for (const std::vector<int64_t>& lengths :
         {std::vector<int64_t>{least * b}, {2 * b}, {2 * b, b}, {2 * b + 1}, {b + 1, 2 * b, least}}) {
      request.prompts.clear();
      for (const int64_t length : lengths) request.prompts.push_back(random_tokens(spec, length, 9));
      const GenerationResult exact = m.exact.run(request);
      const GenerationResult fast = m.generator.run(request);
      EXPECT_EQ(fast.tokens, std::vector<std::vector<int32_t>>(lengths.size()));
      EXPECT_EQ(fast.tokens, exact.tokens);
      EXPECT_EQ(fast.prefill_rows, exact.prefill_rows);
      EXPECT_EQ(fast.decode_rows, exact.decode_rows);
    }
  }
}

// What all launches say they move and compute is what the cost model says of the request.
TEST_P(DeviceModel, LaunchesAddUpToTheCostModel) {
  const ModelSpec& spec = GetParam().spec;
  for (const Generation generation : {Generation::hiergen, Generation::recgen}) {
    for (const int64_t samples : {1, 3}) {
      if (generation == Generation::recgen && spec.depth() < 2) continue;
      Loaded m(spec);
      GenerationRequest request;
      const int64_t prompt = 3 * spec.meta_context() + 1;
      for (uint64_t p = 0; p < 2; ++p) request.prompts.push_back(random_tokens(spec, prompt, p));
      request.samples = samples;
      request.new_tokens = 2 * spec.meta_context();
      request.generation = generation;
      m.generator.set_eager(true);
      std::vector<LaunchRecord> records;
      m.stream.record(&records);
      m.generator.run(request);
      m.stream.record(nullptr);
      Work launched;
      for (const LaunchRecord& r : records) launched += r.work;
      const RequestCost cost = request_cost(spec, {.prompt = prompt,
                                                   .new_tokens = request.new_tokens,
                                                   .batch = 2,
                                                   .samples = samples,
                                                   .generation = generation});
      Work expected = total(cost.prefill);
      expected += total(cost.decode);
      const std::string where = fmt::format("{}, {} samples", to_string(generation), samples);
      EXPECT_EQ(launched.weight_bytes, expected.weight_bytes) << where;
      EXPECT_EQ(launched.kv_read_bytes, expected.kv_read_bytes) << where;
      EXPECT_EQ(launched.kv_write_bytes, expected.kv_write_bytes) << where;
      EXPECT_EQ(launched.flops, expected.flops) << where;

      // What keeps the books of a row, and the merging of a split cache, is in no operation of the cost
      // model.
      const std::set<std::string_view> books{
          "advance",   "reset_latents",          "gather_conditioning",    "push_latents",
          "copy_rows", "decode_attention_merge", "decode_attention_shared"};
      double launches = 0.0;
      for (const LaunchRecord& r : records) launches += books.contains(r.op) ? 0.0 : 1.0;
      double foreseen = 0.0;
      const auto add = [&](const Forwards& forwards) {
        for (const Forward& forward : forwards) {
          for (const Operation& op : forward) foreseen += op.launches;
        }
      };
      add(cost.prefill);
      for (const Forwards& forwards : cost.decode) add(forwards);
      EXPECT_EQ(launches, foreseen) << where;
    }
  }
}

}  // namespace
}  // namespace photon::PHOTON_GPU
