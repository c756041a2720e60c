// SPDX-License-Identifier: Apache-2.0
// photon bench preset on presets of tiny models: what it prints, writes and returns.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/base/paths.h"
#include "core/results/results.h"
#include "tests/app/run_photon.h"

namespace photon::testing {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

class BenchAcceptance : public ::testing::Test {
 protected:
  BenchAcceptance()
      : folder_(std::filesystem::temp_directory_path() / ("acceptance_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~BenchAcceptance() override { std::filesystem::remove_all(folder_); }

  /// Two targets, the second one out of any machine's reach if so asked.
  std::string preset(bool reachable, double largest_error = 0.02) {
    const auto file = folder_ / "small.toml";
    std::ofstream(file) << R"(device = "cuda"
dtype = "bfloat16"
max_seconds = 0.05
min_samples = 1
[models]
block = "configs/models/block-600m.toml"
photon = "configs/models/photon-600m.toml"
[check]
models = ["configs/models/photon-tiny.toml"]
rows = 1
prompt = 5
new = 6
largest_error = )" << largest_error
                        << R"(
[[target]]
what = "decode of the second model"
model = "photon"
generation = "recgen"
prompt = 16
new = 16
batch = 2
measured = "decode_serial_fraction"
at_least = 1e-6
[[target]]
what = "prefill of the first model"
model = "block"
prompt = 16
new = 4
batch = 1
measured = "prefill_mfu"
at_least = )" << (reachable ? "1e-6" : "1.0")
                        << '\n';
    return file.string();
  }
  /// On tiny models, which take the place of the preset's.
  ProgramRun run(const std::string& file, const std::string& device, const std::string& more = "") {
    const auto models = share_folder() / "configs" / "models";
    return run_photon("bench preset " + file + " " + (models / "block-tiny.toml").string() + " " +
                      (models / "photon-tiny.toml").string() + " --device " + device + " --out " +
                      csv().string() + more);
  }
  std::filesystem::path csv() const { return folder_ / "rows.csv"; }

  std::filesystem::path folder_;
};

TEST_F(BenchAcceptance, ChecksMeasuresJudgesAndWrites) {
  const ProgramRun done = run(preset(true), "cpu");
  EXPECT_EQ(done.code, 0) << done.messages;
  EXPECT_NE(done.messages.find("check: photon-tiny, recgen unrolled"), std::string::npos) << done.messages;
  const size_t decode = done.out.find("| decode of the second model | 2 |");
  ASSERT_NE(decode, std::string::npos) << done.out;
  EXPECT_LT(decode, done.out.find("| prefill of the first model | 1 |")) << "the preset's order";
  const auto rows = read_results(csv());
  ASSERT_EQ(rows.size(), 2u);
  for (const ResultRow& row : rows) {
    EXPECT_TRUE(row.text("model").ends_with("-tiny")) << row.text("model");
    EXPECT_EQ(row.text("dtype"), "bfloat16");
    EXPECT_GT(row.number("ceiling_bandwidth_bytes_per_s").value_or(0.0), 0.0);
  }
}

TEST_F(BenchAcceptance, RunsTheKernelsWithoutAGpu) {
  const ProgramRun done = run(preset(true), "emulated");
  EXPECT_EQ(done.code, 0) << done.messages;
  EXPECT_NE(done.out.find("| decode of the second model | 2 |"), std::string::npos) << done.out;
  EXPECT_EQ(read_results(csv()).size(), 2u) << done.messages;
  EXPECT_EQ(read_file(folder_ / "rows.md"), done.out) << "the table, kept";
  const std::string products = read_file(folder_ / "rows.products.txt");
  EXPECT_TRUE(products.starts_with("emulated: cuBLASLt 130000: ")) << products;
  EXPECT_NE(products.find("algorithm 0"), std::string::npos) << products;
  EXPECT_NE(products.find("split 1"), std::string::npos) << products;
  EXPECT_EQ(run(preset(true), "emulated").code, 0);
  EXPECT_EQ(read_file(folder_ / "rows.products.txt"), products) << "each once";
}

TEST_F(BenchAcceptance, ABudgetThatIsSpentBeginsNoRow) {
  const ProgramRun done = run(preset(true), "cpu", " --budget 1e-9");
  EXPECT_EQ(done.code, 1);
  for (const char* what : {"| decode of the second model |", "| prefill of the first model |"}) {
    EXPECT_NE(done.out.find(what), std::string::npos) << done.out;
  }
  EXPECT_NE(done.out.find("not measured: the budget of 1e-09 s was spent"), std::string::npos) << done.out;
  EXPECT_EQ(read_file(folder_ / "rows.md"), done.out);
  EXPECT_FALSE(std::filesystem::exists(csv()));
  EXPECT_EQ(run(preset(true), "cpu", " --budget 0").code, 2);
}

// The second row takes longer than anyone waits: the program is killed, as by a limit on its time.
TEST_F(BenchAcceptance, WhatWasMeasuredIsKeptWhenTheProgramIsKilled) {
  const std::string file = preset(true);
  std::string text = read_file(file);
  text.replace(text.find("new = 4"), 7, "new = 131072");
  std::ofstream(file) << text;
  const auto models = share_folder() / "configs" / "models";
  const std::string command =
      photon_program() + " bench preset " + file + " " + (models / "block-tiny.toml").string() + " " +
      (models / "photon-tiny.toml").string() + " --device cpu --out " + csv().string();
  const std::string script = command + " >/dev/null 2>&1 & pid=$!; for i in $(seq 1200); do test -s " +
                             (folder_ / "rows.md").string() +
                             " && break; sleep 0.1; done; kill -KILL $pid; wait $pid";
  EXPECT_NE(std::system(script.c_str()), 0) << "it was killed";
  const std::string table = read_file(folder_ / "rows.md");
  EXPECT_NE(table.find("| decode of the second model | 2 |"), std::string::npos) << table;
  EXPECT_NE(table.find("not measured: not yet"), std::string::npos) << table;
  EXPECT_EQ(read_results(csv()).size(), 1u);
}

TEST_F(BenchAcceptance, ARowThatFailsIsOneOfTheTable) {
  const auto file = folder_ / "training.toml";
  std::ofstream(file) << R"(device = "cuda"
dtype = "bfloat16"
max_seconds = 0.01
min_samples = 1
[models]
photon = "configs/models/photon-tiny.toml"
[check]
models = ["configs/models/photon-tiny.toml"]
rows = 1
length = 64
steps = 2
largest_error = 0.05
[[target]]
what = "no multiple of a meta-context"
model = "photon"
batch = 1
length = 17
measured = "step_mfu"
at_least = 1e-6
[[target]]
what = "the next one"
model = "photon"
batch = 1
length = 16
measured = "step_mfu"
at_least = 1e-6
)";
  const ProgramRun done =
      run_photon("bench preset " + file.string() + " --device cpu --out " + csv().string());
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.out.find("not measured: training rows of 17 tokens"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("| the next one | 1 |"), std::string::npos) << done.out;
}

TEST_F(BenchAcceptance, ChecksAndMeasuresTrainingSteps) {
  const auto file = folder_ / "training.toml";
  std::ofstream(file) << R"(device = "cuda"
dtype = "bfloat16"
max_seconds = 0.01
min_samples = 1
[models]
photon = "configs/models/photon-600m.toml"
photon-small = "configs/models/photon-20m.toml"
[check]
models = ["configs/models/photon-tiny.toml"]
rows = 1
length = 64
steps = 2
largest_error = 0.05
[[target]]
what = "steps of one"
model = "photon-small"
batch = 1
length = 64
measured = "step_mfu"
at_least = 1e-6
[[target]]
what = "steps of another"
model = "photon"
batch = 2
length = 16
recompute = "layer"
measured = "step_mfu"
at_least = 1.0
)";
  const auto model = share_folder() / "configs" / "models" / "photon-tiny.toml";
  const ProgramRun done = run_photon("bench preset " + file.string() + " " + model.string() +
                                     " --device emulated --out " + csv().string());
  EXPECT_EQ(done.code, 1) << done.messages;
  EXPECT_NE(done.messages.find("check: photon-tiny, 2 steps"), std::string::npos) << done.messages;
  EXPECT_NE(done.out.find("| steps of one | 1 |"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("missed by"), std::string::npos) << done.out;
  const auto rows = read_results(csv());
  ASSERT_EQ(rows.size(), 2u) << done.messages;
  for (const ResultRow& row : rows) {
    EXPECT_EQ(row.text("kind"), "training");
    EXPECT_EQ(row.text("model"), "photon-tiny") << "takes the place of both";
    EXPECT_GT(row.number("step_bytes_planned").value_or(0.0), 0.0);
  }
  EXPECT_EQ(rows[1].text("recompute"), "layer") << "the order of targets";
}

TEST_F(BenchAcceptance, MissedTargetsFailAfterAllIsMeasured) {
  const ProgramRun done = run(preset(false), "cpu");
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.out.find("missed by"), std::string::npos) << done.out;
  EXPECT_NE(done.messages.find("1 of 2 targets were not reached"), std::string::npos) << done.messages;
  EXPECT_EQ(read_results(csv()).size(), 2u);
}

TEST_F(BenchAcceptance, ABackEndThatComputesSomethingElseIsNotMeasured) {
  const ProgramRun done = run(preset(true, 1e-9), "emulated");
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.messages.find("does not compute this model"), std::string::npos) << done.messages;
  EXPECT_EQ(done.out, "");
  EXPECT_FALSE(std::filesystem::exists(csv()));
}

TEST_F(BenchAcceptance, AFileOfAnotherSchemaIsRefusedFirst) {
  std::ofstream(csv()) << "a,b\n1,2\n";
  const ProgramRun done = run(preset(true), "cpu");
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.messages.find("check:"), std::string::npos) << done.messages;
}

}  // namespace
}  // namespace photon::testing
