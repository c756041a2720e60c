// SPDX-License-Identifier: Apache-2.0
// Arithmetic of a row: rates, TPM, fractions, bounds; every column filled that has a meaning.
#include "bench/row.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/bench/fake.h"

namespace photon::bench {
namespace {

Timings timings() {
  Timings t;
  t.prefill = {0.2, 0.1, 0.3};
  t.decode = {1.0, 2.0, 1.5};
  t.ttft = {0.25, 0.15, 0.35};
  t.total = {1.2, 2.1, 1.8};
  t.burst_gaps = {0.1, 0.2, 0.3, 0.4};
  t.kv_bytes_planned = 8192;
  t.local_bytes = 600;
  return t;
}

ResultRow filled(const Case& c, const Ceilings& ceilings, const Measured& measured) {
  ResultRow row;
  set_identity(row, std::vector<std::string>{"photon", "bench"});
  fill_row(row, c, 42, {"fake", "a device", "1.2.3", 1000.0, 1010.0}, ceilings, measured);
  return row;
}

TEST(Row, EveryColumnThatHasAMeaningIsFilled) {
  Case c = small_case(2);
  c.generation = Generation::recgen;
  const Measured measured{timings(), 5000.0, Bound::compute, Bound::bandwidth, PredictedTime{0.3, 0.7}};
  const ResultRow row = filled(c, FakeBackend().ceilings, measured);
  // What a benchmark of fresh weights on this back end cannot know.
  const std::set<std::string_view> absent{
      "checkpoint",      "counter_bytes",  "corpus",    "match",           "training_seed",
      "training_tokens", "training_flops", "token_nll", "perplexity",      "bits_per_byte",
      "tokens_scored",   "bytes_scored",   "length",    "recompute",       "training_steps",
      "training_batch",  "learning_rate",  "ladder",    "token_nll_error", "bits_per_byte_error"};
  for (const ResultColumn& column : result_columns()) {
    EXPECT_EQ(row.empty(column.name), absent.contains(column.name) || column.name.starts_with("step_"))
        << column.name;
    if (!column.is_text && !row.empty(column.name)) {
      EXPECT_TRUE(std::isfinite(*row.number(column.name))) << column.name;
    }
  }
}

TEST(Row, RatesAndTpm) {
  Case c = small_case(2, 4);
  c.samples_per_prompt = 2;
  const ResultRow row =
      filled(c, FakeBackend().ceilings, {timings(), 5000.0, Bound::compute, Bound::bandwidth});
  EXPECT_DOUBLE_EQ(*row.number("throughput_tokens_per_s"), 4 * 13 / 1.8);
  EXPECT_DOUBLE_EQ(*row.number("prefill_tokens_per_s"), 2 * 9 / 0.2) << "a shared prompt is prefilled once";
  EXPECT_DOUBLE_EQ(*row.number("decode_tokens_per_s"), 4 * 13 / 1.5);
  EXPECT_DOUBLE_EQ(*row.number("kv_bytes_planned_per_sample"), 2048.0);
  EXPECT_DOUBLE_EQ(*row.number("local_bytes_per_sample"), 150.0);
  const double throughput = 4 * 13 / 1.8;
  EXPECT_DOUBLE_EQ(*row.number("tpm_measured_ktok_per_s_per_gib"), throughput / 1000.0 / (5000.0 / 0x1p30));
  EXPECT_DOUBLE_EQ(*row.number("tpm_planned_ktok_per_s_per_gib"), throughput / 1000.0 / (2048.0 / 0x1p30));
  EXPECT_DOUBLE_EQ(tpm(1000.0, 0x1p30), 1.0);
  EXPECT_DOUBLE_EQ(*row.number("spread"), 0.9 / 1.8);
  EXPECT_DOUBLE_EQ(*row.number("ttft_seconds"), 0.25);
  EXPECT_DOUBLE_EQ(*row.number("burst_p50_seconds"), 0.25);
}

TEST(Row, FractionsAndUtilisationsAreOfTheMeasuredCeilings) {
  const Case c = small_case(2);
  const Ceilings ceilings = FakeBackend().ceilings;
  const ResultRow row = filled(c, ceilings, {timings(), {}, Bound::compute, Bound::bandwidth});
  const double bytes = *row.number("decode_weight_bytes") + *row.number("decode_kv_bytes");
  EXPECT_DOUBLE_EQ(*row.number("decode_mbu"), bytes / 1.5 / ceilings.bandwidth);
  EXPECT_DOUBLE_EQ(*row.number("decode_mfu"), *row.number("decode_flops") / 1.5 / ceilings.matrix_rate);
  EXPECT_DOUBLE_EQ(*row.number("decode_serial_fraction"), *row.number("decode_serial_seconds") / 1.5);
  EXPECT_GE(*row.number("decode_serial_seconds"), *row.number("decode_floor_seconds"));
  EXPECT_TRUE(row.empty("kv_bytes_measured_per_sample"));
  EXPECT_TRUE(row.empty("tpm_measured_ktok_per_s_per_gib"));
}

TEST(Row, NothingIsClaimedOfAPrefillThatDoesNotHappen) {
  Case c = small_case(2);
  c.regime = {"custom", 3, 13};  // shorter than the meta-context of 4
  const ResultRow row =
      filled(c, FakeBackend().ceilings, {timings(), {}, Bound::bandwidth, Bound::bandwidth});
  for (const char* column :
       {"prefill_tokens_per_s", "prefill_serial_fraction", "prefill_mbu", "prefill_mfu", "prefill_bound"}) {
    EXPECT_TRUE(row.empty(column)) << column;
  }
  EXPECT_EQ(*row.number("prefill_flops"), 0.0);
  EXPECT_FALSE(row.empty("decode_tokens_per_s"));
}

TEST(Row, OneSampleHasNoSpreadAndOneBurstNoPercentiles) {
  Timings t = timings();
  t.prefill = t.decode = t.ttft = t.total = {1.0};
  t.burst_gaps.clear();
  const ResultRow row =
      filled(small_case(1), FakeBackend().ceilings, {t, {}, Bound::compute, Bound::compute});
  EXPECT_TRUE(row.empty("spread"));
  EXPECT_TRUE(row.empty("burst_p99_seconds"));
  EXPECT_EQ(row.text("samples"), "1");
}

TEST(Row, VanillaHasNoWordsOfAHierarchy) {
  const ResultRow row =
      filled(small_case(0), FakeBackend().ceilings, {timings(), {}, Bound::compute, Bound::compute});
  for (const char* column : {"reading", "chunks", "prefix", "generation", "schedule"}) {
    EXPECT_TRUE(row.empty(column)) << column;
  }
}

/// Every regime of the bound, from the same request on machines that lack one thing each.
TEST(Bound, IsWhatTheMachineLacks) {
  const RequestCost cost = request_cost(small_spec(2), workload_of(small_case(2)));
  const auto bound_on = [&](double bandwidth, double matrix_rate, double launch) {
    const Ceilings c{.bandwidth = bandwidth, .matrix_rate = matrix_rate, .launch_seconds = launch};
    return request_floor(cost, c).decode.bound;
  };
  EXPECT_EQ(bound_on(1.0, 1e15, 0.0), Bound::bandwidth);
  EXPECT_EQ(bound_on(1e15, 1.0, 0.0), Bound::compute);
  EXPECT_EQ(bound_on(1e15, 1e15, 1.0), Bound::launch);
}

TEST(Request, PromptsAreSeededAndARowsOwn) {
  const Case c = small_case(2, 6);
  const auto a = request_of(c, 6, 7).prompts;
  EXPECT_EQ(a, request_of(c, 6, 7).prompts);
  EXPECT_NE(a, request_of(c, 6, 8).prompts);
  const auto fewer = request_of(c, 2, 7).prompts;
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), a.begin()));
  EXPECT_NE(a[0], a[1]);
  for (const auto& prompt : a) {
    ASSERT_EQ(prompt.size(), 9u);
    for (const int32_t token : prompt) {
      EXPECT_GE(token, 0);
      EXPECT_LT(token, c.spec.vocab);
    }
  }
}

}  // namespace
}  // namespace photon::bench
