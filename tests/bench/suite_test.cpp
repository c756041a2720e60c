// SPDX-License-Identifier: Apache-2.0
// The Google Benchmark executables as a user runs them: names, counters, rows, refusals.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/base/paths.h"
#include "core/cost/kernel_rates.h"
#include "core/results/results.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

class SuiteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(PHOTON_SUITE_FOLDER)) GTEST_SKIP() << "an installed tree has no suite";
  }
  /// Exit code; output and messages go to the members.
  int run(const std::string& program, const std::string& arguments) {
    const int status = std::system(fmt::format("'{}/{}' --benchmark_min_time=0.01 {} </dev/null >'{}' 2>'{}'",
                                               PHOTON_SUITE_FOLDER, program, arguments,
                                               (folder_ / "out").string(), (folder_ / "messages").string())
                                       .c_str());
    out_ = read_text(folder_ / "out");
    messages_ = read_text(folder_ / "messages");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  /// Standard output as JSON; the library writes NaN for what does not exist, which JSON has no word for.
  nlohmann::json report() const {
    std::string text = out_;
    for (size_t at = 0; (at = text.find(": NaN", at)) != std::string::npos;) text.replace(at, 5, ": null");
    return nlohmann::json::parse(text);
  }
  static std::string photon_tiny() {
    return (share_folder() / "configs" / "models" / "photon-tiny.toml").string();
  }
  std::filesystem::path csv() const { return folder_ / "rows.csv"; }

  TempFolder folder_;
  std::string out_;
  std::string messages_;
};

TEST_F(SuiteTest, NamesCarryPhaseModelGenerationBatchAndContext) {
  ASSERT_EQ(run("bench_decode", "--benchmark_list_tests --batches=1,2-8*2,max --contexts=32"), 0);
  EXPECT_TRUE(
      holds(out_, {"decode/vanilla-tiny/plain/B=1/T=32/", "decode/block-tiny/hiergen/B=4/T=32/",
                   "decode/photon-tiny/hiergen/B=8/T=32/", "decode/photon-tiny/recgen-streamed/B=max/T=32/",
                   "decode/photon-tiny/recgen-unrolled/B=2/T=32/"}))
      << messages_;
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 5 * (1 + 1 + 3));
  ASSERT_EQ(run("bench_ceilings", "--benchmark_list_tests --dtype=bfloat16"), 0);
  EXPECT_EQ(out_, "ceilings/bfloat16/manual_time\n");
}

TEST_F(SuiteTest, RowsOfEveryBackEndGoIntoOneFileWithTheirContext) {
  const std::string photon_alone =
      " --benchmark_filter='photon.*(hiergen|streamed)' --batches=2 --contexts=16 ";
  const std::string to_file = "--results=" + csv().string() + " --benchmark_format=json --seed=7";
  ASSERT_EQ(run("bench_decode", "--device=cpu" + photon_alone + to_file), 0) << messages_;
  const auto first = report();
  EXPECT_EQ(first["context"]["seed"], "7");
  std::set<std::string> counters;
  for (const auto& [key, value] : first["benchmarks"][0].items()) counters.insert(key);
  ASSERT_EQ(run("bench_prefill", "--device=emulated" + photon_alone + to_file), 0) << messages_;
  const auto second = report();
  for (const auto& benchmark : second["benchmarks"]) {
    std::set<std::string> others;
    for (const auto& [key, value] : benchmark.items()) others.insert(key);
    EXPECT_EQ(others, counters);
  }
  const auto rows = read_results(csv());
  ASSERT_EQ(rows.size(), 4u);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].text("backend"), i < 2 ? "cpu" : "emulated");
    EXPECT_EQ(rows[i].text("generation"), i % 2 == 0 ? "hiergen" : "recgen");
    EXPECT_EQ(rows[i].text("dtype"), i < 2 ? "float32" : "bfloat16") << "the device's own";
    EXPECT_EQ(rows[i].text("seed"), "7");
    EXPECT_EQ(rows[i].text("batch"), "2");
    for (const char* column : {"commit", "time", "argv", "device", "stop", "ceiling_bandwidth_bytes_per_s"})
      EXPECT_FALSE(rows[i].empty(column)) << column;
  }
}

TEST_F(SuiteTest, RefusesWhatItCannotDoBeforeItMeasures) {
  EXPECT_EQ(run("bench_decode", "--device=tpu"), 2);
  EXPECT_TRUE(holds(messages_, {"tpu", "cpu", "emulated"}));
  EXPECT_EQ(run("bench_decode", "--batches=0"), 2);
  EXPECT_TRUE(holds(messages_, {"--batches", "'0'"}));
  EXPECT_EQ(run("bench_decode", "--seed=x"), 2);
  EXPECT_EQ(run("bench_decode", "--bathces=1"), 2);
  EXPECT_EQ(run("bench_decode", "--max_seconds=1"), 2);
  EXPECT_TRUE(holds(messages_, {"--benchmark_min_time"})) << "what has taken its place";
  EXPECT_EQ(run("bench_decode", "--benchmark_filter=nothing"), 2);
  EXPECT_TRUE(holds(messages_, {"nothing"}));
  EXPECT_EQ(run("bench_prefill", "--contexts=8"), 2);
  EXPECT_TRUE(holds(messages_, {"--contexts=8", "photon-tiny", "16 tokens"}));
  EXPECT_EQ(run("bench_ceilings", "--results=" + csv().string()), 2);
  std::ofstream(csv()) << "schema_version,kind\n1,bench\n";
  EXPECT_EQ(run("bench_decode", "--results=" + csv().string()), 1);
  EXPECT_TRUE(holds(messages_, {csv().string(), "line 2", "schema 1"}));
  EXPECT_EQ(read_text(csv()), "schema_version,kind\n1,bench\n") << "what was there stays";
}

TEST_F(SuiteTest, ABenchmarkThatFailsFailsTheProgramAndKeepsTheOthers) {
  EXPECT_EQ(run("bench_decode", "--batches=1000000000,1 --contexts=16 --benchmark_filter=vanilla --results=" +
                                    csv().string()),
            1);
  EXPECT_TRUE(holds(out_ + messages_, {"ERROR", "smaller batch fits"}));
  EXPECT_EQ(read_results(csv()).size(), 1u);
}

TEST_F(SuiteTest, EveryRepetitionOfAKernelIsARateOfItsOwn) {
  const auto rates = folder_ / "rates.csv";
  ASSERT_EQ(run("bench_kernels", "--models=" + photon_tiny() +
                                     " --contexts=16 --batches=2 --benchmark_filter='kernel/head.*hot' "
                                     "--benchmark_repetitions=3 --benchmark_format=json --rates=" +
                                     rates.string()),
            0)
      << messages_;
  std::vector<double> samples;
  const auto json = report();
  for (const auto& b : json["benchmarks"]) {
    if (b["run_type"] != "iteration") continue;
    samples.push_back(b["samples"].get<double>());
    EXPECT_EQ(std::fmod(b["iterations"].get<double>(), samples.back()), 0.0) << "whole samples of runs";
  }
  const auto kept = read_kernel_rates(rates);
  ASSERT_EQ(kept.size(), samples.size());
  ASSERT_EQ(kept.size() % 3, 0u);
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(kept[i].samples, samples[i]);
    EXPECT_EQ(kept[i].kernel, kept[i - i % 3].kernel);
  }
}

}  // namespace
}  // namespace photon::testing
