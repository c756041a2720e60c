// SPDX-License-Identifier: Apache-2.0
// Generation with caches against the teacher-forced forward pass, in double.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/base/error.h"
#include "core/text/checkpoint_text.h"
#include "reference/generator.h"
#include "reference/scoring.h"
#include "tests/reference/support.h"

namespace photon::reference {
namespace {

constexpr double tolerance = 1e-9;

struct Loaded {
  ModelSpec spec;
  AlignedVector<double> parameters;
  Weights<double> weights;
  Model<double> model;
  Generator<double> generator;

  explicit Loaded(const ModelSpec& s)
      : spec(s),
        parameters(testing::random_parameters(s, testing::test_seed())),
        weights(view_weights(spec, parameters.data())),
        model(spec, parameters.data()),
        generator(spec, weights) {}

  /// log p of every token of one text by the forward pass.
  std::vector<double> score(const std::vector<int32_t>& text) {
    return token_log_probs(model, {1, static_cast<int64_t>(text.size()), text});
  }
};

std::vector<int32_t> random_tokens(const ModelSpec& spec, int64_t length, uint64_t seed) {
  return testing::random_batch(spec, 1, length, seed).ids;
}

struct GenerationCase {
  std::string name;
  ModelSpec spec;
};

void PrintTo(const GenerationCase& c, std::ostream* out) {
  *out << c.name;
}

std::vector<GenerationCase> specs() {
  std::vector<GenerationCase> out{{"L0", testing::small_spec(0)}};
  for (int depth = 1; depth <= 3; ++depth) {
    for (const Reading reading : {Reading::causal, Reading::parallel, Reading::literal, Reading::hatted}) {
      const std::string name = fmt::format("L{}_{}", depth, to_string(reading));
      ModelSpec spec = testing::small_spec(depth, reading);
      out.push_back({name, spec});
      for (LevelSpec& level : spec.levels) level.converter_context = 3;
      out.push_back({name + "_context3", spec});
      if (depth < 2) continue;
      spec = testing::small_spec(depth, reading);
      spec.levels[0].encoder_window = {EncoderWindow::Kind::units, 3};
      if (depth == 3) spec.levels[1].encoder_window = {EncoderWindow::Kind::units, 1};
      out.push_back({name + "_window", spec});
      spec.levels[0].encoder_window = {EncoderWindow::Kind::block, 0};
      if (depth == 3) spec.levels[1].encoder_window = {EncoderWindow::Kind::block, 0};
      out.push_back({name + "_block", spec});
    }
  }
  ModelSpec ones = testing::small_spec(2);
  ones.levels[0].chunk = 1;
  out.push_back({"chunk_of_one", ones});
  return out;
}

class Generation : public ::testing::TestWithParam<GenerationCase> {};

/// Recgen needs two levels.
class Recgen : public Generation {};
/// A reading whose own feedback is reconstructed.
class RecgenOfReconstructions : public Generation {};

std::vector<GenerationCase> specs_where(bool (*wanted)(const ModelSpec&)) {
  std::vector<GenerationCase> out = specs();
  std::erase_if(out, [&](const GenerationCase& c) { return !wanted(c.spec); });
  return out;
}

constexpr auto name_of = [](const auto& test) { return test.param.name; };
INSTANTIATE_TEST_SUITE_P(All, Generation, ::testing::ValuesIn(specs()), name_of);
INSTANTIATE_TEST_SUITE_P(All, Recgen,
                         ::testing::ValuesIn(specs_where([](const ModelSpec& s) { return s.depth() >= 2; })),
                         name_of);
INSTANTIATE_TEST_SUITE_P(All, RecgenOfReconstructions,
                         ::testing::ValuesIn(specs_where([](const ModelSpec& s) {
                           return s.depth() >= 2 && s.reading != Reading::causal;
                         })),
                         name_of);

void expect_close(const std::vector<double>& actual, const std::vector<double>& expected,
                  const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(std::abs(actual[i] - expected[i]) <= tolerance * (1.0 + std::abs(expected[i])))
        << what << ", token " << i << ": " << actual[i] << " against " << expected[i];
  }
}

/// Ragged prompts: empty (where a hierarchy can start from nothing), whole meta-contexts, and what lies
/// between.
std::vector<std::vector<int32_t>> ragged_prompts(const ModelSpec& spec) {
  const int64_t b = spec.meta_context();
  std::vector<std::vector<int32_t>> prompts;
  uint64_t seed = 100;
  for (const int64_t length :
       {spec.depth() == 0 ? int64_t{1} : int64_t{0}, b, 2 * b + 1, 4 * b - 1, 3 * b, 2 * b}) {
    prompts.push_back(random_tokens(spec, length, seed++));
  }
  return prompts;
}

TEST_P(Generation, HiergenEqualsTeacherForcing) {
  Loaded m(GetParam().spec);
  GenerationRequest request;
  request.prompts = ragged_prompts(m.spec);
  request.new_tokens = 2 * m.spec.meta_context() + 3;
  request.sampling = {.temperature = 1.3, .seed = testing::test_seed()};
  const GenerationResult result = m.generator.run(request);
  for (size_t r = 0; r < request.prompts.size(); ++r) {
    std::vector<int32_t> text = request.prompts[r];
    text.insert(text.end(), result.tokens[r].begin(), result.tokens[r].end());
    ASSERT_EQ(static_cast<int64_t>(result.tokens[r].size()), request.new_tokens);
    std::vector<double> expected = m.score(text);
    expected.erase(expected.begin(), expected.begin() + static_cast<int64_t>(request.prompts[r].size()));
    expect_close(result.log_probs[r], expected, fmt::format("row {}", r));
  }
}

// Greedily, no token of the vocabulary is more probable under teacher forcing than the one that was taken:
// not the first after a prompt, and not a later one.
TEST_P(Generation, GreedyTakesTheMostProbable) {
  Loaded m(GetParam().spec);
  GenerationRequest request;
  request.prompts = ragged_prompts(m.spec);
  request.prompts.resize(4);
  request.new_tokens = 3;
  const GenerationResult result = m.generator.run(request);
  for (size_t r = 0; r < request.prompts.size(); ++r) {
    for (const size_t i : {size_t{0}, size_t{2}}) {
      std::vector<int32_t> text = request.prompts[r];
      text.insert(text.end(), result.tokens[r].begin(),
                  result.tokens[r].begin() + static_cast<int64_t>(i) + 1);
      const double taken = m.score(text).back();
      for (int32_t other = 0; other < m.spec.vocab; ++other) {
        text.back() = other;
        ASSERT_LE(m.score(text).back(), taken + tolerance)
            << "row " << r << ", token " << i << ": not " << other;
      }
    }
  }
}

// A row's text is its own: not its batch's, not its place in it.
TEST_P(Generation, RowDoesNotDependOnItsBatch) {
  Loaded m(GetParam().spec);
  GenerationRequest request;
  request.prompts = ragged_prompts(m.spec);
  request.new_tokens = m.spec.meta_context() + 2;
  request.sampling = {.temperature = 1.0, .top_k = 7, .top_p = 0.9, .seed = testing::test_seed()};
  const GenerationResult together = m.generator.run(request);
  for (size_t r = 0; r < request.prompts.size(); ++r) {
    GenerationRequest alone = request;
    alone.prompts = {request.prompts[r]};
    alone.first_sequence = static_cast<int64_t>(r);
    EXPECT_EQ(m.generator.run(alone).tokens[0], together.tokens[r]) << "row " << r;
  }
}

// Samples of one prompt share its prefill and its cached rows, and come out as if each had its own.
TEST_P(Generation, SharedPrefillEqualsRepeatedPrompts) {
  Loaded m(GetParam().spec);
  GenerationRequest shared;
  shared.prompts = {random_tokens(m.spec, 3 * m.spec.meta_context() + 1, 1),
                    random_tokens(m.spec, 2 * m.spec.meta_context(), 2)};
  shared.samples = 3;
  shared.new_tokens = 2 * m.spec.meta_context() + 1;
  shared.sampling = {.temperature = 1.0, .seed = testing::test_seed()};
  GenerationRequest repeated = shared;
  repeated.samples = 1;
  repeated.prompts.clear();
  for (const auto& prompt : shared.prompts) repeated.prompts.insert(repeated.prompts.end(), 3, prompt);
  const GenerationResult a = m.generator.run(shared);
  const GenerationResult b = m.generator.run(repeated);
  EXPECT_EQ(a.tokens, b.tokens);
  for (size_t r = 0; r < a.tokens.size(); ++r)
    expect_close(a.log_probs[r], b.log_probs[r], fmt::format("row {}", r));
  int64_t read = 0;
  int64_t read_repeated = 0;
  for (size_t l = 0; l < a.decode_rows.size(); ++l) {
    EXPECT_LE(a.prefill_rows[l].written, b.prefill_rows[l].written);
    read += a.decode_rows[l].read;
    read_repeated += b.decode_rows[l].read;
  }
  EXPECT_LT(read, read_repeated);
}

TEST_P(Recgen, UnrolledEqualsStreamed) {
  Loaded m(GetParam().spec);
  GenerationRequest request;
  request.prompts = ragged_prompts(m.spec);
  request.new_tokens = 3 * m.spec.meta_context() + 1;
  request.generation = photon::Generation::recgen;
  request.sampling = {.temperature = 1.1, .seed = testing::test_seed()};
  const GenerationResult streamed = m.generator.run(request);
  request.schedule = Schedule::unrolled;
  const GenerationResult unrolled = m.generator.run(request);
  EXPECT_EQ(streamed.tokens, unrolled.tokens);
  for (size_t r = 0; r < streamed.tokens.size(); ++r) {
    expect_close(unrolled.log_probs[r], streamed.log_probs[r], fmt::format("row {}", r));
  }
  EXPECT_EQ(streamed.decode_rows, unrolled.decode_rows);
}

// Under recgen what is emitted changes nothing that comes later, but through the chunk it stands in.
TEST_P(Recgen, ForgetsWhatItEmits) {
  Loaded m(GetParam().spec);
  const int64_t b = m.spec.meta_context();
  GenerationRequest request;
  request.prompts = {random_tokens(m.spec, 2 * b, 3)};
  request.new_tokens = 3 * b;
  request.generation = photon::Generation::recgen;
  request.forced = {random_tokens(m.spec, 3 * b, 4)};
  const std::vector<double> before = m.generator.run(request).log_probs[0];
  for (int64_t i = 0; i < b; ++i) {
    auto& token = request.forced[0][static_cast<size_t>(i)];
    token = static_cast<int32_t>((token + 1) % m.spec.vocab);
  }
  const std::vector<double> after = m.generator.run(request).log_probs[0];
  for (size_t i = static_cast<size_t>(b); i < static_cast<size_t>(3 * b); ++i) {
    EXPECT_EQ(before[i], after[i]) << "token " << i;
  }
}

// Under the readings that feed reconstructions back anyway, the upward path is all that parts recgen from
// hiergen: the first meta-context after the prompt is the same, exactly.
TEST_P(RecgenOfReconstructions, StartsAsItsReading) {
  Loaded m(GetParam().spec);
  GenerationRequest request;
  request.prompts = {random_tokens(m.spec, 3 * m.spec.meta_context(), 5)};
  request.new_tokens = m.spec.meta_context();
  const GenerationResult hiergen = m.generator.run(request);
  request.generation = photon::Generation::recgen;
  const GenerationResult recgen = m.generator.run(request);
  EXPECT_EQ(hiergen.tokens, recgen.tokens);
  EXPECT_EQ(hiergen.log_probs, recgen.log_probs);
}

// Fed the encoder's X^(L-1) and the reading's own feedback, recgen is hiergen; each switch alone changes
// something.
TEST_P(Recgen, WithBothDifferencesTakenBackIsHiergen) {
  Loaded m(GetParam().spec);
  GenerationRequest request;
  request.prompts = {random_tokens(m.spec, 2 * m.spec.meta_context() + 1, 5)};
  request.forced = {random_tokens(m.spec, 4 * m.spec.meta_context(), 6)};
  request.new_tokens = 4 * m.spec.meta_context();
  const GenerationResult hiergen = m.generator.run(request);
  request.generation = photon::Generation::recgen;
  const std::vector<double> recgen = m.generator.run(request).log_probs[0];
  request.recgen_observes_upward = true;
  const std::vector<double> upward = m.generator.run(request).log_probs[0];
  request.recgen_keeps_reading_feedback = true;
  const GenerationResult both = m.generator.run(request);
  expect_close(both.log_probs[0], hiergen.log_probs[0], "both");
  EXPECT_EQ(both.decode_rows, hiergen.decode_rows);
  EXPECT_NE(upward, recgen);
  request.recgen_observes_upward = false;
  const std::vector<double> feedback = m.generator.run(request).log_probs[0];
  if (m.spec.reading == Reading::causal) {
    EXPECT_NE(feedback, recgen);
  } else {
    expect_close(feedback, recgen, "the reading reconstructs anyway");
  }
}

// recgen under `causal` is recgen under `parallel`: with reconstructions fed back nothing tells them apart.
TEST(Recgen, CausalIsParallel) {
  Loaded causal(testing::small_spec(3, Reading::causal));
  Loaded parallel(testing::small_spec(3, Reading::parallel));
  GenerationRequest request;
  request.prompts = {random_tokens(causal.spec, 29, 6)};
  request.new_tokens = 31;
  request.generation = photon::Generation::recgen;
  EXPECT_EQ(causal.generator.run(request).log_probs, parallel.generator.run(request).log_probs);
}

TEST(Generation, EndOfTextEndsARow) {
  Loaded m(testing::small_spec(2));
  GenerationRequest request;
  request.prompts = {random_tokens(m.spec, 9, 7), random_tokens(m.spec, 12, 8)};
  request.new_tokens = 40;
  request.sampling = {.temperature = 1.0, .seed = 11};
  const GenerationResult free = m.generator.run(request);
  request.end_of_text = free.tokens[0][10];
  std::vector<std::vector<int32_t>> bursts(2);
  request.on_burst = [&](const Burst& burst) {
    auto& out = bursts[static_cast<size_t>(burst.sequence)];
    out.insert(out.end(), burst.tokens.begin(), burst.tokens.end());
    return true;
  };
  const GenerationResult ended = m.generator.run(request);
  for (size_t r = 0; r < 2; ++r) {
    const auto end = std::find(free.tokens[r].begin(), free.tokens[r].end(), *request.end_of_text);
    const auto length = end == free.tokens[r].end() ? free.tokens[r].size()
                                                    : static_cast<size_t>(end - free.tokens[r].begin()) + 1;
    EXPECT_EQ(ended.tokens[r], std::vector<int32_t>(free.tokens[r].begin(),
                                                    free.tokens[r].begin() + static_cast<int64_t>(length)));
    EXPECT_EQ(bursts[r], ended.tokens[r]);
  }
}

/// Every generation that a model has.
std::vector<GenerationRequest> generations_of(const ModelSpec& spec) {
  std::vector<GenerationRequest> out(1);
  if (spec.depth() < 2) return out;
  for (const Schedule schedule : {Schedule::streamed, Schedule::unrolled}) {
    GenerationRequest& request = out.emplace_back();
    request.generation = photon::Generation::recgen;
    request.schedule = schedule;
  }
  for (const bool upward : {true, false}) {
    GenerationRequest& request = out.emplace_back();
    request.generation = photon::Generation::recgen;
    (upward ? request.recgen_observes_upward : request.recgen_keeps_reading_feedback) = true;
  }
  return out;
}

// Nothing is asked for: prompts of whole meta-contexts leave not even a chunk to complete.
TEST_P(Generation, NoNewTokensAreNone) {
  Loaded m(GetParam().spec);
  EXPECT_THROW(m.generator.run({}), Error) << "no prompts";
  EXPECT_THROW(token_log_probs(m.model, {}), Error) << "no rows";
  const int64_t b = m.spec.meta_context();
  const int64_t least = m.spec.depth() == 0 ? 1 : 0;
  for (GenerationRequest request : generations_of(m.spec)) {
    for (const std::vector<int64_t>& lengths :
         {std::vector<int64_t>{least * b}, {2 * b}, {2 * b, b}, {2 * b + 1}, {b + 1, 2 * b, least}}) {
      request.prompts.clear();
      for (const int64_t length : lengths) request.prompts.push_back(random_tokens(m.spec, length, 9));
      request.samples = 2;
      request.on_burst = [](const Burst&) {
        ADD_FAILURE() << "a burst of nothing";
        return true;
      };
      const GenerationResult result = m.generator.run(request);
      ASSERT_EQ(result.tokens.size(), 2 * lengths.size());
      for (const auto& tokens : result.tokens) EXPECT_TRUE(tokens.empty());
      for (const auto& log_probs : result.log_probs) EXPECT_TRUE(log_probs.empty());
    }
  }
}

// Rows that no piece of the tokenizer stands for are cut off: what is left is the distribution among the
// others.
TEST_P(Generation, WithoutPaddingItsDistributionIsTheOldOneAmongThePieces) {
  Loaded padded(GetParam().spec);
  const int64_t pieces = padded.spec.vocab - 3;
  const Checkpoint all{padded.spec, {padded.parameters.begin(), padded.parameters.end()}};
  const Checkpoint some = without_padding(all, pieces);
  Loaded cut(some.spec);
  std::copy(some.parameters.begin(), some.parameters.end(), cut.parameters.begin());
  std::copy(all.parameters.begin(), all.parameters.end(), padded.parameters.begin());  // as rounded
  const std::vector<int32_t> text = random_tokens(cut.spec, 3 * cut.spec.meta_context(), 13);
  const TokenBatch batch{1, static_cast<int64_t>(text.size()), text};
  const std::vector<double> among = token_log_probs(cut.model, batch);
  const std::vector<double> of_all = token_log_probs(padded.model, batch);
  const Matrix<double> states = logits(padded.model);
  const int64_t shift = padded.spec.depth() == 0 ? 1 : 0;
  for (int64_t i = shift; i < batch.length; ++i) {
    const auto row = states.row(i - shift);
    const double left = std::log(row.head(pieces).array().exp().sum() / row.array().exp().sum());
    const auto at = static_cast<size_t>(i);
    EXPECT_NEAR(among[at], of_all[at] - left, 1e-9) << "token " << i;
    EXPECT_LT(left, 0.0);
  }
  GenerationRequest request;
  request.prompts = {random_tokens(cut.spec, cut.spec.meta_context() + 1, 14)};
  request.new_tokens = 40;
  request.sampling = {.temperature = 3.0, .seed = testing::test_seed()};
  const std::vector<int32_t> made = cut.generator.run(request).tokens[0];
  EXPECT_TRUE(std::all_of(made.begin(), made.end(), [&](int32_t id) { return id < pieces; }));
}

TEST(Generation, RefusesWhatItCannotServe) {
  Loaded vanilla(testing::small_spec(0));
  Loaded block(testing::small_spec(1));
  GenerationRequest request;
  EXPECT_THROW(block.generator.run(request), Error);
  request.prompts = {{}};
  EXPECT_THROW(vanilla.generator.run(request), Error);
  request.prompts = {{static_cast<int32_t>(block.spec.vocab)}};
  EXPECT_THROW(block.generator.run(request), Error);
  request.prompts = {{1, 2}};
  request.generation = photon::Generation::recgen;
  EXPECT_THROW(block.generator.run(request), Error);
  request.generation = photon::Generation::hiergen;
  request.schedule = Schedule::unrolled;
  EXPECT_THROW(block.generator.run(request), Error);
  request.schedule = Schedule::streamed;
  request.sampling.temperature = std::nan("");
  EXPECT_THROW(block.generator.run(request), Error);
}

}  // namespace
}  // namespace photon::reference
