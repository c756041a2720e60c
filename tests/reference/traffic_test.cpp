// SPDX-License-Identifier: Apache-2.0
// What the counting caches saw against what core/cost says, row for row: every reading, window, generation,
// prompt length and number of samples.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/cost/cost.h"
#include "reference/generator.h"
#include "tests/reference/support.h"

namespace photon::reference {
namespace {

class Traffic : public ::testing::TestWithParam<std::tuple<int, Reading, EncoderWindow::Kind>> {};

TEST_P(Traffic, CountsEqualTheCostModel) {
  const auto [depth, reading, window] = GetParam();
  ModelSpec spec = testing::small_spec(depth, reading);
  for (int l = 1; l < depth; ++l) {
    spec.levels[static_cast<size_t>(l - 1)].encoder_window = {
        window, window == EncoderWindow::Kind::units ? 2 + l : 0};
  }
  if (depth >= 2) spec.levels[0].converter_context = 2;
  const auto parameters = testing::random_parameters(spec, testing::test_seed());
  auto copy = parameters;
  const Weights<double> weights = view_weights(spec, copy.data());
  Generator<double> generator(spec, weights);
  const int64_t b = spec.meta_context();
  for (const Generation generation : {Generation::hiergen, Generation::recgen}) {
    for (const Schedule schedule : {Schedule::streamed, Schedule::unrolled}) {
      if (generation == Generation::recgen && depth < 2) continue;
      if (schedule == Schedule::unrolled && generation != Generation::recgen) continue;
      for (const int64_t prompt : {depth == 0 ? int64_t{1} : int64_t{0}, b, 3 * b - 1, 3 * b, 5 * b + 1}) {
        if (prompt == 0 && depth == 0) continue;
        for (const int64_t samples : {1, 3}) {
          Workload w{.prompt = prompt,
                     .new_tokens = 2 * b + 1,
                     .batch = 2,
                     .samples = samples,
                     .generation = generation,
                     .schedule = schedule,
                     .weight_bytes = 8,
                     .kv_bytes = 8};
          GenerationRequest request;
          for (uint64_t p = 0; p < 2; ++p) {
            request.prompts.push_back(testing::random_batch(spec, 1, prompt, testing::test_seed() + p).ids);
          }
          request.samples = samples;
          request.new_tokens = w.new_tokens;
          request.generation = generation;
          request.schedule = schedule;
          const GenerationResult measured = generator.run(request);
          const RequestCost cost = request_cost(spec, w);
          const std::string where = fmt::format("prompt {}, samples {}, {} {}", prompt, samples,
                                                to_string(generation), to_string(schedule));
          const auto prefill = cache_rows(spec, {cost.prefill});
          const auto decode = cache_rows(spec, cost.decode);
          ASSERT_EQ(prefill.size(), measured.prefill_rows.size());
          for (size_t l = 0; l < prefill.size(); ++l) {
            EXPECT_EQ(prefill[l].read, measured.prefill_rows[l].read) << where << ", level " << l;
            EXPECT_EQ(prefill[l].written, measured.prefill_rows[l].written) << where << ", level " << l;
            EXPECT_EQ(decode[l].read, measured.decode_rows[l].read) << where << ", level " << l;
            EXPECT_EQ(decode[l].written, measured.decode_rows[l].written) << where << ", level " << l;
          }
        }
      }
    }
  }
}

std::string case_name(const ::testing::TestParamInfo<Traffic::ParamType>& test) {
  const auto [depth, reading, window] = test.param;
  const char* const kind = window == EncoderWindow::Kind::units   ? "window"
                           : window == EncoderWindow::Kind::block ? "block"
                                                                  : "unbounded";
  return fmt::format("L{}_{}_{}", depth, to_string(reading), kind);
}

INSTANTIATE_TEST_SUITE_P(All, Traffic,
                         ::testing::Combine(::testing::Values(0, 1, 2, 3),
                                            ::testing::Values(Reading::causal, Reading::parallel,
                                                              Reading::literal, Reading::hatted),
                                            ::testing::Values(EncoderWindow::Kind::unbounded,
                                                              EncoderWindow::Kind::units,
                                                              EncoderWindow::Kind::block)),
                         case_name);

}  // namespace
}  // namespace photon::reference
