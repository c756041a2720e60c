// SPDX-License-Identifier: Apache-2.0
// photon bench preset on a small sweep and photon bench compare: rows, resuming, interrupts, refusals.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/paths.h"
#include "core/results/results.h"
#include "tests/app/run_photon.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

extern char** environ;

namespace photon::testing {
namespace {

class BenchSweep : public ::testing::Test {
 protected:
  std::string preset(const std::string& batches) {
    write_text(folder_ / "small.toml", R"(device = "cuda"
max_seconds = 0.02
min_samples = 1
[sweep]
models = ["configs/models/vanilla-600m.toml", "configs/models/photon-600m.toml"]
regimes = "pf"
generations = "hiergen,recgen"
schedules = "streamed,unrolled"
batches = "1,max"
samples_per_prompt = "1"
[scaled]
devices = ["cpu"]
cache_mib = 1
[scaled.sweep]
models = ["configs/models/vanilla-tiny.toml", "configs/models/photon-tiny.toml"]
regimes = "pf/64"
batches = ")" + batches + "\"\n");
    return (folder_ / "small.toml").string();
  }
  std::string arguments(const std::string& batches) {
    return "bench preset " + preset(batches) + " --device cpu --out " + csv().string();
  }
  std::filesystem::path csv() const { return folder_ / "rows.csv"; }
  TempFolder folder_;
};

TEST_F(BenchSweep, MeasuresWhatTheDeviceCanDoAndSaysWhatWasScaled) {
  const ProgramRun done = run_photon(arguments("1,max"));
  ASSERT_EQ(done.code, 0) << done.messages;
  EXPECT_TRUE(holds(done.messages, {"scaled for cpu: models: vanilla-tiny, photon-tiny for vanilla-600m",
                                    "scaled for cpu: regimes: pf/64 (32 in, 2 out) for pf (2048 in, 128 out)",
                                    "1 MiB of caches"}));
  const auto rows = read_results(csv());
  ASSERT_EQ(rows.size(), 2u + 3u * 2u);
  for (const ResultRow& row : rows) {
    EXPECT_FALSE(row.empty("stop"));
    const double caches = row.number("batch").value() * (row.number("kv_bytes_planned_per_sample").value() +
                                                         row.number("local_bytes_per_sample").value());
    EXPECT_LE(caches, 1 << 20);
    if (row.text("batch") != "1") {
      EXPECT_GT(caches, 0.8 * (1 << 20)) << row.text("model");
    }
  }
  EXPECT_TRUE(holds(done.out, {"| vanilla-tiny |", "| photon-tiny |", "unrolled"}));

  const ProgramRun again = run_photon(arguments("1,max"));
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(read_results(csv()).size(), rows.size()) << "nothing is measured twice";
  EXPECT_TRUE(holds(again.messages, {"[8/8]", "already"}));
  EXPECT_TRUE(holds(again.out, {"| vanilla-tiny |", "| photon-tiny |"})) << "the table is whole";

  const ProgramRun same =
      run_photon("bench compare " + csv().string() + " " + csv().string() + " --format json");
  ASSERT_EQ(same.code, 0) << same.messages;
  const auto report = nlohmann::json::parse(same.out);
  ASSERT_EQ(report["comparisons"].size(), rows.size() * 3);
  for (const auto& c : report["comparisons"]) EXPECT_EQ(c["verdict"], "same");
}

TEST_F(BenchSweep, AnInterruptKeepsTheRowsAndTheSameCommandGoesOn) {
  const std::string line = photon_program() + " " + arguments("1-8") + " >/dev/null 2>&1";
  const std::string exec = "exec " + line;
  const char* const words[] = {"sh", "-c", exec.c_str(), nullptr};
  pid_t child = 0;
  ASSERT_EQ(posix_spawnp(&child, "sh", nullptr, nullptr, const_cast<char* const*>(words), environ), 0);
  const auto a_row_is_there = [&] {  // behind the line of names
    if (!std::filesystem::exists(csv())) return false;
    const std::string text = read_text(csv());
    return std::count(text.begin(), text.end(), '\n') > 1;
  };
  for (int i = 0; i < 3000 && !a_row_is_there(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ::kill(child, SIGINT);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 130) << status;
  const size_t kept = read_results(csv()).size();
  EXPECT_GE(kept, 1u);
  const ProgramRun rest = run_photon(arguments("1-8"));
  EXPECT_EQ(rest.code, 0) << rest.messages;
  EXPECT_EQ(read_results(csv()).size(), 8u * 4u);
  EXPECT_TRUE(holds(rest.messages, {"already"}));
}

TEST_F(BenchSweep, RefusesBeforeMeasuringAndKeepsWhatIsThere) {
  const ProgramRun beside = run_photon(arguments("1") + " --batch 4");
  EXPECT_EQ(beside.code, 2);
  EXPECT_TRUE(holds(beside.messages, {"--batch", "photon bench run"}));
  write_text(csv(), "schema_version,kind\n2,bench\n");
  const ProgramRun other = run_photon(arguments("1"));
  EXPECT_EQ(other.code, 1);
  EXPECT_TRUE(holds(other.messages, {"rows.csv, line 2", "schema 2"}));
  EXPECT_EQ(read_text(csv()), "schema_version,kind\n2,bench\n");
  EXPECT_EQ(run_photon("bench compare " + csv().string()).code, 2);
  const ProgramRun compared = run_photon("bench compare " + csv().string() + " " + csv().string());
  EXPECT_EQ(compared.code, 1);
  EXPECT_TRUE(holds(compared.messages, {"schema 2"}));
}

TEST_F(BenchSweep, AbsurdBatchesAreSkippedByPlanAndTheRestIsMeasured) {
  const ProgramRun done = run_photon(arguments("2000000000,1"));
  EXPECT_EQ(done.code, 0) << done.messages;
  EXPECT_TRUE(holds(done.messages, {"skipped", "a smaller batch fits"}));
  EXPECT_EQ(read_results(csv()).size(), 4u);
  const ProgramRun beyond =
      run_photon("bench " + (share_folder() / "configs/models/photon-tiny.toml").string() +
                 " --batch 99999999999999999999");
  EXPECT_EQ(beyond.code, 2);
  EXPECT_TRUE(holds(beyond.messages, {"--batch", "99999999999999999999"}));
}

TEST_F(BenchSweep, SaysWhereRowsAreKeptAndAnswersAtOnceWhereNothingFits) {
  const std::string model = (share_folder() / "configs/models/photon-tiny.toml").string();
  const std::string request = "bench " + model + " --prompt 32 --new 2 --max-seconds 0.01 --min-samples 1 ";
  EXPECT_TRUE(holds(run_photon(request).messages, {"no --out", "kept nowhere"}));
  EXPECT_EQ(run_photon(request + "--out " + csv().string()).messages.find("kept nowhere"), std::string::npos);
  for (const char* kind : {"", "train "}) {
    const ProgramRun beyond = run_photon("bench " + std::string(kind) + model + " --batch 100000000");
    EXPECT_EQ(beyond.code, 1) << kind;
    EXPECT_TRUE(holds(beyond.messages, {"GiB", "nothing was measured"})) << kind;
    EXPECT_EQ(beyond.messages.find("ceilings"), std::string::npos) << kind << beyond.messages;
  }
}

TEST_F(BenchSweep, BrokenWeightsOfALaterModelAreFoundFirst) {
  const std::string model = (share_folder() / "configs/models/photon-tiny.toml").string();
  ASSERT_EQ(run_photon("init " + model + " --seed 1 --out " + (folder_ / "ck").string()).code, 0);
  std::filesystem::resize_file(folder_ / "ck/model.safetensors", 5000);
  const ProgramRun broken =
      run_photon("bench " + model + " " + (folder_ / "ck").string() + " --prompt 32 --new 2");
  EXPECT_EQ(broken.code, 1);
  EXPECT_TRUE(holds(broken.messages, {"ck/model.safetensors"}));
  EXPECT_EQ(broken.messages.find("ceilings"), std::string::npos) << broken.messages;
}

TEST_F(BenchSweep, WhatCouldNotBeWrittenIsNotMeasured) {
  const std::string model = (share_folder() / "configs/models/photon-tiny.toml").string();
  const ProgramRun nowhere =
      run_photon("bench " + model + " --out " + (folder_ / "absent/rows.csv").string());
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_TRUE(holds(nowhere.messages, {"absent/rows.csv", "cannot be opened"}));
  EXPECT_EQ(nowhere.messages.find("..."), std::string::npos) << nowhere.messages;
  for (const std::string& words :
       {model + " --profile ", "train " + model + " --profile ", std::string("ceilings --out ")}) {
    const ProgramRun absent = run_photon("bench " + words + (folder_ / "absent/file").string());
    EXPECT_EQ(absent.code, 1) << words;
    EXPECT_TRUE(holds(absent.messages, {"absent/file"})) << words;
    EXPECT_EQ(absent.messages.find("ceilings"), std::string::npos) << absent.messages;
  }
  EXPECT_EQ(run_photon("bench " + model + " --max-seconds nan").code, 2);
  EXPECT_EQ(run_photon("bench " + model + " --batch 1 --cache-mib 4").code, 2);
  const ProgramRun chunks = run_photon("bench " + model + " --set level.1.chunk=3");
  EXPECT_EQ(chunks.code, 2);
  EXPECT_TRUE(holds(chunks.messages, {"level.1.chunk", "128", "3"}));
}

}  // namespace
}  // namespace photon::testing
