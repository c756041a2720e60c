// photon bench --preset on presets of tiny models: what it prints, writes and returns.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/paths.h"
#include "core/results.h"
#include "tests/app/run_photon.h"

namespace photon::testing {
namespace {

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
  ProgramRun run(const std::string& file, const std::string& device) {
    const auto models = share_folder() / "configs" / "models";
    return run_photon("bench --preset " + file + " " + (models / "block-tiny.toml").string() + " " +
                      (models / "photon-tiny.toml").string() + " --device " + device + " --out " +
                      csv().string());
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
  const ProgramRun done = run_photon("bench --preset " + file.string() + " " + model.string() +
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
  EXPECT_EQ(rows[0].text("recompute"), "layer") << "the order of models, then of targets";
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
