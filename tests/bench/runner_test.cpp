// SPDX-License-Identifier: Apache-2.0
// Sampling, memory, planning, resuming and interrupting on a back end that says what it is told.
#include "bench/runner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "bench/memory.h"
#include "bench/output.h"
#include "bench/plan.h"
#include "bench/sweep.h"
#include "bench/training.h"
#include "core/base/error.h"
#include "tests/bench/fake.h"

namespace photon::bench {
namespace {

class RunnerTest : public testing::Test {
 protected:
  RunnerTest() {
    folder_ = std::filesystem::temp_directory_path() /
              ("photon_bench_" + std::to_string(getpid()) + "_" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    options_.backend_name = "fake";
    options_.argv = {"photon", "bench"};
    options_.rule = {.min_samples = 3, .max_samples = 20, .max_seconds = 1e4, .target_error = 0.01};
  }
  ~RunnerTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  FakeBackend backend_;
  RunnerOptions options_;
};

TEST_F(RunnerTest, MeasuresUntilTheMedianIsKnown) {
  FakeModel model(small_spec(2), backend_.device);
  Runner runner(backend_, options_, {});
  const auto row = runner.measure(small_case(2), model);
  ASSERT_TRUE(row);
  EXPECT_EQ(runner.last_stop(), Stop::steady);
  EXPECT_EQ(row->text("samples"), "3");
  EXPECT_EQ(row->text("backend"), "fake");
  EXPECT_EQ(*row->number("clock_before_mhz"), 1234.5);
  EXPECT_NEAR(*row->number("prefill_seconds"), 0.25, 1e-12);
}

TEST_F(RunnerTest, TakesOneSampleHoweverLittleTimeThereIs) {
  options_.rule.max_seconds = 1e-9;
  FakeModel model(small_spec(1), backend_.device);
  Runner runner(backend_, options_, {});
  const auto row = runner.measure(small_case(1), model);
  ASSERT_TRUE(row);
  EXPECT_EQ(runner.last_stop(), Stop::time);
  EXPECT_EQ(row->text("samples"), "1");
  EXPECT_TRUE(row->empty("kv_bytes_measured_per_sample")) << "there was no time for two more runs";
}

TEST_F(RunnerTest, MemoryOfARowIsTheSlope) {
  FakeModel model(small_spec(2), backend_.device);
  Runner runner(backend_, options_, {});
  for (const int64_t batch : {1, 2, 5}) {
    const auto row = runner.measure(small_case(2, batch), model);
    ASSERT_TRUE(row);
    EXPECT_EQ(*row->number("kv_bytes_measured_per_sample"),
              static_cast<double>(backend_.device.bytes_per_row));
  }
  backend_.device.bytes_per_row = 1;
  const auto row = runner.measure(small_case(2, 2), model);
  EXPECT_TRUE(row->empty("kv_bytes_measured_per_sample")) << "too small to be told from noise";
}

TEST_F(RunnerTest, MemoryBatchesDifferEnoughAndDivideIntoSamples) {
  Case c = small_case(2, 12);
  c.samples_per_prompt = 3;
  const auto large_rows = memory_batches(c, 64 << 20, 1.0, 10.0);
  ASSERT_TRUE(large_rows);
  EXPECT_EQ(large_rows->small, 6);
  EXPECT_EQ(large_rows->large, 12);
  const auto small_rows = memory_batches(c, 1 << 19, 1.0, 10.0);
  ASSERT_TRUE(small_rows);
  EXPECT_EQ(small_rows->small, 12);
  EXPECT_EQ(small_rows->large % 3, 0);
  EXPECT_GE((small_rows->large - small_rows->small) * (1 << 19), 4 << 20);
  EXPECT_FALSE(memory_batches(c, 64 << 20, 11.0, 10.0)) << "no time for it";
  c.batch = 3;
  const auto one_prompt = memory_batches(c, 64 << 20, 1.0, 10.0);
  ASSERT_TRUE(one_prompt);
  EXPECT_EQ(one_prompt->small, 3);
  EXPECT_EQ(one_prompt->large, 6);
}

TEST_F(RunnerTest, TheLargestBatchFillsMemoryByPlan) {
  FakeModel model(small_spec(2), backend_.device);
  Runner runner(backend_, options_, {});
  Case c = small_case(2, sweep_max);
  c.samples_per_prompt = 4;
  const auto batch = runner.largest_batch(c, model);
  ASSERT_TRUE(batch);
  EXPECT_EQ(*batch % 4, 0);
  const double room =
      0.95 * static_cast<double>(backend_.memory) - static_cast<double>(backend_.device.in_use);
  const auto row = static_cast<double>(backend_.device.bytes_per_row);
  EXPECT_LE(static_cast<double>(*batch) * row, room);
  EXPECT_GT(static_cast<double>(*batch + 4) * row, room);
}

TEST_F(RunnerTest, AWholePlanIsTakenAtItsWord) {
  FakeModel model(small_spec(2), backend_.device);
  model.planned_workspace = 77;
  Runner runner(backend_, options_, {});
  for (const int64_t samples : {1, 4}) {
    for (const int64_t rows : {4, 7, 4096, 99999}) {
      model.plan_limit = model.planned_workspace + backend_.device.weights + rows * model.planned_row;
      Case c = small_case(2, sweep_max);
      c.samples_per_prompt = samples;
      EXPECT_EQ(runner.largest_batch(c, model), rows / samples * samples) << rows << " rows fit";
    }
    model.plan_limit = model.planned_workspace + backend_.device.weights;
    EXPECT_THROW(runner.largest_batch(small_case(2), model), DoesNotFit);
  }
  EXPECT_EQ(backend_.device.runs, 0) << "planned, not tried";
}

TEST_F(RunnerTest, WhatDoesNotFitIsNotTried) {
  FakeModel model(small_spec(2), backend_.device);
  Runner runner(backend_, options_, {});
  EXPECT_THROW(runner.measure(small_case(2, int64_t{1} << 30), model), DoesNotFit);
  backend_.memory = 1000;
  EXPECT_THROW(runner.measure(small_case(2), model), DoesNotFit);
  EXPECT_THROW(runner.largest_batch(small_case(2), model), DoesNotFit);
  EXPECT_EQ(backend_.device.runs, 0);
}

TEST_F(RunnerTest, AWrongAnswerIsNoMeasurement) {
  FakeModel model(small_spec(2), backend_.device);
  Runner runner(backend_, options_, {});
  model.drop_a_token = true;
  EXPECT_THROW(runner.measure(small_case(2), model), Error);
  model.drop_a_token = false;
  model.run_seconds = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(runner.measure(small_case(2), model), Error);
}

TEST_F(RunnerTest, CeilingsAreMeasuredAgainWhenTheyAreOld) {
  FakeModel model(small_spec(1), backend_.device);
  options_.ceilings_age_seconds = 1000.0;
  Runner patient(backend_, options_, {});
  patient.measure(small_case(1), model);
  patient.measure(small_case(1), model);
  EXPECT_EQ(backend_.device.measurements, 1);
  options_.ceilings_age_seconds = 0.0;
  Runner impatient(backend_, options_, {});
  impatient.measure(small_case(1), model);
  EXPECT_EQ(backend_.device.measurements, 3) << "before the row and after it";
}

TEST_F(RunnerTest, AnInterruptedRowIsNoRow) {
  FakeModel model(small_spec(2), backend_.device);
  int asked = 0;
  Runner runner(backend_, options_, [&] { return ++asked > 20; });
  EXPECT_FALSE(runner.measure(small_case(2), model));
}

TEST_F(RunnerTest, ResumingLeavesOutWhatTheFileHolds) {
  const auto file = folder_ / "rows.csv";
  FakeModel model(small_spec(2), backend_.device);
  Runner runner(backend_, options_, {});
  const Case done = small_case(2, 2);
  {
    Output output(Output::Format::markdown, file);
    output.add(*runner.measure(done, model));
  }
  Output again(Output::Format::markdown, file);
  ASSERT_EQ(again.in_file().size(), 1u);
  ResultRow identity;
  set_identity(identity, options_.argv);
  identity.set("backend", "fake");
  identity.set("device", backend_.device_name());
  EXPECT_EQ(measured_before(again.in_file(), done, identity), &again.in_file()[0]);
  EXPECT_FALSE(measured_before(again.in_file(), small_case(2, 4), identity));
  EXPECT_FALSE(measured_before(again.in_file(), small_case(1, 2), identity));
  Case other = done;
  other.generation = Generation::recgen;
  EXPECT_FALSE(measured_before(again.in_file(), other, identity));
  other = done;
  other.checkpoint = "elsewhere";
  EXPECT_FALSE(measured_before(again.in_file(), other, identity));
  identity.set("device", "another machine");
  EXPECT_FALSE(measured_before(again.in_file(), done, identity));

  again.add(*runner.measure(small_case(2, 4), model));
  EXPECT_EQ(read_results(file).size(), 2u);
}

TEST_F(RunnerTest, AFileOfAnotherKindIsRefusedBeforeAnythingIsMeasured) {
  const auto file = folder_ / "other.csv";
  std::ofstream(file) << "a,b\n1,2\n";
  EXPECT_THROW(Output(Output::Format::csv, file), Error);
}

TEST_F(RunnerTest, TablesLeaveOutWhatIsEmptyAndShowWhatDiffers) {
  FakeModel model(small_spec(0), backend_.device);
  Runner runner(backend_, options_, {});
  std::vector<ResultRow> rows;
  for (const int64_t batch : {1, 2}) rows.push_back(*runner.measure(small_case(0, batch), model));
  const std::string text = tables(rows);
  EXPECT_NE(text.find("| batch (rows) |"), std::string::npos);
  EXPECT_EQ(text.find("generation"), std::string::npos);
  EXPECT_EQ(text.find("| model |"), std::string::npos);
  EXPECT_NE(text.find("model: fake-0"), std::string::npos);
}

TEST(Plan, SkipsWhatMakesNoSenseAndSaysSo) {
  Sweep sweep{.regimes = {{"pf", 2048, 128}, {"de", 128, 2048}},
              .generations = {Generation::hiergen, Generation::recgen},
              .schedules = {Schedule::streamed, Schedule::unrolled},
              .batches = {1, 6, sweep_max},
              .samples_per_prompt = {1, 3}};
  std::vector<std::string> said;
  const Say say = [&](const std::string& line) { said.push_back(line); };
  // 1, 6 and max with one sample; 6 and max with three.
  const auto photon = cases_of(small_case(2), sweep, say);
  EXPECT_EQ(photon.size(), 2u * 3u * 5u);
  EXPECT_EQ(said.size(), 2u * 3u) << "B=1 does not divide into 3";
  said.clear();
  const auto vanilla = cases_of(small_case(0), sweep, say);
  EXPECT_EQ(vanilla.size(), 2u * 5u);
  EXPECT_EQ(said.size(), 2u + 1u) << "and recgen, once";
  for (const Case& c : vanilla) EXPECT_EQ(c.generation, Generation::hiergen);
  for (const Case& c : photon) {
    if (c.generation == Generation::hiergen) {
      EXPECT_EQ(c.schedule, Schedule::streamed);
    }
  }
}

TEST_F(RunnerTest, TrainingCountsItsFlopsAgainstTheMatrixRate) {
  const TrainingCase c{.spec = small_spec(2), .rows = 3, .length = 8, .loss = {}, .seed = 1};
  const auto result = measure_training(backend_, c, {}, options_.rule, {});
  ASSERT_TRUE(result);
  EXPECT_DOUBLE_EQ(result->flops, 3.0 * training_flops(c.spec, 8));
  EXPECT_DOUBLE_EQ(result->mfu, result->flops / result->step_seconds / backend_.ceilings.matrix_rate);
  EXPECT_DOUBLE_EQ(result->tokens_per_second, 24.0 / result->step_seconds);
  EXPECT_EQ(backend_.device.measurements, 2) << "ceilings before and after";
  ResultRow row;
  fill_row(row, c, "fake", backend_, *result);
  EXPECT_EQ(row.text("kind"), "training");
  EXPECT_EQ(row.number("length"), 8.0);
  EXPECT_EQ(row.text("recompute"), "none");
  EXPECT_EQ(row.number("step_mfu"), result->mfu);
  EXPECT_EQ(row.number("clock_after_mhz"), 1234.5);
  EXPECT_TRUE(row.empty("step_bytes_planned")) << "this back end does not foresee its memory";
}

TEST_F(RunnerTest, LargestTrainingBatchIsThePlans) {
  TrainingCase c{.spec = small_spec(2), .rows = 3, .length = 8, .loss = {}, .seed = 1};
  EXPECT_THROW(most_training_rows(backend_, c), Error) << "nothing is foreseen";
  backend_.bytes_per_token = 100;
  backend_.memory = 1000 + 800 * 37 + 799;
  EXPECT_EQ(most_training_rows(backend_, c), 37);
  c.recompute = Recompute::layer;
  EXPECT_EQ(most_training_rows(backend_, c), 75);
  c.rows = 76;
  EXPECT_THROW(measure_training(backend_, c, {}, options_.rule, {}), DoesNotFit);
  backend_.memory = 1399;
  EXPECT_THROW(most_training_rows(backend_, c), DoesNotFit);
  backend_.memory = int64_t{1} << 40;
  EXPECT_EQ(most_training_rows(backend_, c), largest_training_rows);
}

TEST_F(RunnerTest, TrainingOnNonsenseIsRefused) {
  TrainingCase c{.spec = small_spec(2), .rows = 3, .length = 9, .loss = {}, .seed = 1};
  EXPECT_THROW(measure_training(backend_, c, {}, options_.rule, {}), Error);
  c.length = 8;
  backend_.loss = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(measure_training(backend_, c, {}, options_.rule, {}), Error);
}

}  // namespace
}  // namespace photon::bench
