// SPDX-License-Identifier: Apache-2.0
// Google Benchmark over a back end that counts its runs: iterations are samples, repetitions rows.
#include "bench/suite/cases.h"

#include <benchmark/benchmark.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "bench/runner.h"
#include "bench/statistics.h"
#include "core/base/paths.h"
#include "core/model/model_config.h"
#include "core/results/results.h"
#include "tests/bench/fake.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::bench {
namespace {

/// Counts the models that it loads.
class CountingBackend final : public FakeBackend {
 public:
  std::unique_ptr<InferenceModel> inference(const ModelSpec& spec, std::span<const float>, DType) override {
    ++loaded;
    auto made = std::make_unique<FakeModel>(spec, device);
    model = made.get();
    return made;
  }

  int loaded = 0;
  FakeModel* model = nullptr;  ///< the last one, while the library runs
};

constexpr int warm_up_runs = 1;  // the fake's clock stands still
constexpr int memory_runs = 2;
constexpr int64_t rows_together = 128;  ///< enough for their memory to be seen in short runs

class SuiteCasesTest : public ::testing::Test {
 protected:
  SuiteCasesTest() {
    flags_.models = {model_file("vanilla-tiny")};
    flags_.device = "fake";
    flags_.batches = {rows_together};
    flags_.contexts = {9};
    flags_.results = folder_ / "rows.csv";
  }

  static std::string model_file(const std::string& name) {
    return (share_folder() / "configs" / "models" / (name + ".toml")).string();
  }

  static Regime regime_of(const ModelSpec&, int64_t context) { return {"custom", context, 13}; }

  /// What the library reports, as JSON. Its flags outlive a call, so each has them all.
  nlohmann::json run(const std::string& phase, const std::string& min_time, const std::string& repetitions,
                     const std::vector<std::string>& more = {}) {
    const auto file = folder_ / "report.json";
    std::vector<std::string> words{
        "suite", "--benchmark_report_aggregates_only=false", "--benchmark_min_warmup_time=0",
        "--benchmark_enable_random_interleaving=false", "--benchmark_out_format=json"};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back("--benchmark_out=" + file.string());
    words.push_back("--benchmark_min_time=" + min_time);
    words.push_back("--benchmark_repetitions=" + repetitions);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    auto argc = static_cast<int>(argv.size());
    benchmark::Initialize(&argc, argv.data());
    EXPECT_EQ(argc, 1) << "the library knows its flags";
    SuiteReporter reporter;
    Suite suite(flags_, backend_, reporter, {"suite"});
    register_cases(phase, suite, regime_of);
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::ClearRegisteredBenchmarks();
    failures_ = reporter.failures();
    std::string text = testing::read_text(file);
    for (size_t at = 0; (at = text.find(": NaN", at)) != std::string::npos;) text.replace(at, 5, ": null");
    return nlohmann::json::parse(text);
  }

  std::vector<ResultRow> rows() const { return read_results(flags_.results); }

  testing::TempFolder folder_;
  CountingBackend backend_;
  SuiteFlags flags_;
  int64_t failures_ = 0;
};

TEST_F(SuiteCasesTest, IterationsAreSamplesAndRepetitionsRows) {
  const auto report = run("decode", "2", "5");
  const int iterations = report["benchmarks"][0]["iterations"];
  EXPECT_GT(iterations, 2);
  // The library's trial is one iteration, after which it knows how many make two seconds.
  EXPECT_EQ(backend_.device.runs, warm_up_runs + 1 + memory_runs + 5 * iterations);
  EXPECT_EQ(backend_.loaded, 1);
  EXPECT_EQ(backend_.device.measurements, 1) << "ceilings, once for all of it";

  FakeDevice device;
  const FakeModel like_it(small_spec(0), device);
  const auto kept = rows();
  ASSERT_EQ(kept.size(), 5u);
  for (int r = 0; r < 5; ++r) {
    const ResultRow& row = kept[static_cast<size_t>(r)];
    const auto& told = report["benchmarks"][static_cast<size_t>(r)];
    EXPECT_EQ(told["run_type"], "iteration");
    EXPECT_EQ(told["repetition_index"], r);
    EXPECT_EQ(told["iterations"], iterations);
    EXPECT_EQ(row.number("samples"), iterations);
    EXPECT_EQ(told["samples"], iterations);
    std::vector<double> seconds;
    for (int i = 0; i < iterations; ++i) {
      const int nth = warm_up_runs + 1 + memory_runs + r * iterations + i + 1;
      seconds.push_back(like_it.decode_seconds(nth));
    }
    EXPECT_DOUBLE_EQ(row.number("decode_seconds").value(), median(seconds));
    EXPECT_DOUBLE_EQ(told["real_time"].get<double>(),
                     1e3 * std::accumulate(seconds.begin(), seconds.end(), 0.0) / iterations);
    for (const char* column : {"run_id", "argv", "seed", "model", "batch", "prompt", "kind", "stop",
                               "kv_bytes_measured_per_sample"}) {
      EXPECT_EQ(row.text(column), kept[0].text(column)) << column;
      EXPECT_FALSE(row.empty(column)) << column;
    }
  }
}

TEST_F(SuiteCasesTest, ARowIsThatOfPhotonBench) {
  const int iterations = run("prefill", "1", "1")["benchmarks"][0]["iterations"];
  RunnerOptions options{
      .backend_name = "fake", .argv = {"suite"}, .seed = flags_.seed, .rule = {}, .tell = {}};
  options.rule.max_samples = iterations;
  options.rule.target_error = 0.0;
  Case c;
  c.spec = load_model_spec(flags_.models[0]);
  c.regime = regime_of(c.spec, 9);
  c.batch = rows_together;
  // The same runs by number, for the fake's times follow it: those after the library's trial.
  FakeBackend other;
  other.device.runs = 1 + memory_runs;
  FakeModel model(c.spec, other.device);
  const auto row = Runner(other, options, {}).measure(c, model);
  ASSERT_TRUE(row);
  const auto kept = rows();
  ASSERT_EQ(kept.size(), 1u);
  for (const ResultColumn& column : result_columns()) {
    if (column.name != "time") {
      EXPECT_EQ(kept[0].text(column.name), row->text(column.name)) << column.name;
    }
  }
}

TEST_F(SuiteCasesTest, ARunThatWasHeldBackIsMadeAgain) {
  // Within the first repetition.
  backend_.device.held_back_by = [](int runs) { return runs == 6 || runs == 7 ? "power limit" : ""; };
  const auto report = run("decode", "2", "2");
  const int iterations = report["benchmarks"][0]["iterations"];
  EXPECT_EQ(backend_.device.runs, warm_up_runs + 1 + memory_runs + 2 * iterations + 2);
  const auto kept = rows();
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].number("samples"), iterations);
  EXPECT_EQ(kept[0].text("samples_dropped"), "2");
  EXPECT_EQ(kept[1].text("samples_dropped"), "0");
  EXPECT_EQ(report["benchmarks"][0]["samples_dropped"], 2.0);
  EXPECT_TRUE(testing::holds(report["benchmarks"][0]["label"].get<std::string>(), {"power limit"}));
}

TEST_F(SuiteCasesTest, TheLibrarysWarmUpAndItsOrderOfRunsAddNoRows) {
  flags_.models.push_back(model_file("block-tiny"));
  flags_.batches = {1, 2};
  for (const char* more : {"--benchmark_min_warmup_time=0.2", "--benchmark_min_warmup_time=2",
                           "--benchmark_enable_random_interleaving=true"}) {
    std::filesystem::remove(flags_.results);
    run("decode", "1", "3", {more});
    std::map<std::string, int> of_case;
    for (const ResultRow& row : rows()) ++of_case[row.text("model") + " B=" + row.text("batch")];
    EXPECT_EQ(of_case.size(), 4u) << more;
    for (const auto& [name, count] : of_case) EXPECT_EQ(count, 3) << name << ' ' << more;
  }
}

TEST_F(SuiteCasesTest, AFailedRepetitionIsCountedAndItsSamplesAreNoRow) {
  // Asked after each run: the second run of the third repetition gives a token too few.
  backend_.device.held_back_by = [this](int runs) {
    backend_.model->drop_a_token = runs == warm_up_runs + 1 + memory_runs + 2 * 3 + 1;
    return "";
  };
  // Asked before the first.
  backend_.device.clock_mhz = [this](int) {
    backend_.model->drop_a_token = false;
    return 1000.0;
  };
  const auto report = run("decode", "1", "5", {"--benchmark_report_aggregates_only=true"});
  EXPECT_EQ(failures_, 1);
  EXPECT_EQ(rows().size(), 4u);
  for (const ResultRow& row : rows())
    EXPECT_EQ(row.text("samples"), "3") << "none left over of the failed run";
  for (const auto& b : report["benchmarks"]) EXPECT_EQ(b["run_type"], "aggregate");
  EXPECT_FALSE(report["benchmarks"].empty());
}

}  // namespace
}  // namespace photon::bench
