// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/paths.h"
#include "tests/app/run_photon.h"
#include "tests/core/base/temp_folder.h"

namespace photon::testing {
namespace {

std::string model(const std::string& name) {
  return (share_folder() / "configs" / "models" / (name + ".toml")).string();
}

/// `photon simulate` of one model or more on an H200.
ProgramRun simulate(const std::string& models, const std::string& more) {
  const auto hardware = share_folder() / "configs" / "hardware" / "h200.toml";
  return run_photon(fmt::format("simulate {} --hardware {} {}", models, hardware.string(), more));
}

TEST(SimulateCommand, PrintsARowForEveryModelGenerationAndLoad) {
  const ProgramRun run = simulate(model("vanilla-600m") + " " + model("photon-600m"),
                                  "--generation hiergen,recgen --rate 5,max --requests 100 --limit-ttft 1 "
                                  "--decode-efficiency 0.4:0.5:0.6 --format json");
  ASSERT_EQ(run.code, 0) << run.messages;
  const auto rows = nlohmann::json::parse(run.out);
  ASSERT_EQ(rows.size(), 3u * 2u * 3u);  // vanilla and two ways of photon, two loads, three ends of the band
  for (const auto& row : rows) {
    for (const char* const key :
         {"throughput_tokens_per_s", "ttft_p99_seconds", "burst_p50_seconds", "goodput_requests_per_s",
          "requests_per_gib", "cost_per_million_tokens", "energy_kwh_per_million_tokens"}) {
      ASSERT_TRUE(row.contains(key)) << key;
      EXPECT_GE(row[key].get<double>(), 0.0) << key;
    }
    EXPECT_EQ(row["requests"], 100);
    EXPECT_EQ(row.contains("offered_requests_per_s"), row["arrivals"] == "poisson");
  }
  EXPECT_EQ(rows[0]["band"], "low");
  const ProgramRun table = simulate(model("vanilla-600m"), "--rate 5 --requests 100");
  EXPECT_NE(table.out.find("| ttft_p99_seconds (s) "), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("| cost_per_million_tokens ($) "), std::string::npos) << table.out;
}

TEST(SimulateCommand, ServesATraceAndLeavesFiguresForTheReport) {
  const TempFolder folder;
  std::string trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  for (int i = 0; i < 50; ++i) {
    trace += fmt::format("2023-11-16 18:15:{:02}.5,{},{}\n", i, 100 + 31 * i, 20 + i % 7);
  }
  write_text(folder / "trace.csv", trace);
  const std::string out = (folder / "out").string();
  const ProgramRun run =
      simulate(model("photon-600m"), fmt::format("--arrivals trace --trace {} --prompt trace --new trace "
                                                 "--rate 2,20 --out {} --format csv",
                                                 (folder / "trace.csv").string(), out));
  ASSERT_EQ(run.code, 0) << run.messages;
  EXPECT_EQ(run.out, read_text(folder / "out" / "simulation.csv"));
  EXPECT_TRUE(std::filesystem::exists(folder / "out" / "simulated-load.svg"));
  EXPECT_TRUE(std::filesystem::exists(folder / "out" / "simulated-load.gp"));

  const ProgramRun cut =
      simulate(model("photon-600m"), fmt::format("--arrivals trace --trace {} --prompt trace --new trace "
                                                 "--requests 20 --format json",
                                                 (folder / "trace.csv").string()));
  EXPECT_EQ(nlohmann::json::parse(cut.out)[0]["requests"], 20);
  EXPECT_NE(cut.messages.find("trace.csv: 20 of 50 requests"), std::string::npos) << cut.messages;

  write_text(folder / "bad.csv", trace + "2023-11-16 18:16:00,-5,10\n");
  const ProgramRun bad = simulate(model("photon-600m"),
                                  "--arrivals trace --prompt trace --trace " + (folder / "bad.csv").string());
  EXPECT_EQ(bad.code, 1);
  EXPECT_EQ(bad.out, "");
  EXPECT_NE(bad.messages.find("bad.csv:52: ContextTokens is -5"), std::string::npos) << bad.messages;
}

TEST(SimulateCommand, ServesAllOfALongTrace) {
  const TempFolder folder;
  std::string trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  for (int i = 0; i < 10'050; ++i) {
    trace += fmt::format("2023-11-16 {:02}:{:02}:{:02},16,1\n", i / 3600, i / 60 % 60, i % 60);
  }
  write_text(folder / "trace.csv", trace);
  const ProgramRun run =
      simulate(model("photon-600m"), fmt::format("--arrivals trace --trace {} --prompt trace --new trace "
                                                 "--format json",
                                                 (folder / "trace.csv").string()));
  ASSERT_EQ(run.code, 0) << run.messages;
  EXPECT_EQ(nlohmann::json::parse(run.out)[0]["requests"], 10'050);
}

TEST(SimulateCommand, SaysWhatARunCannotTell) {
  const std::string more = " --prompt 128 --new 512 --requests 1000 --format json";
  const ProgramRun over = simulate(model("vanilla-600m"), "--rate 1000" + more);
  ASSERT_EQ(over.code, 0) << over.messages;
  EXPECT_EQ(nlohmann::json::parse(over.out)[0]["verdict"], "overloaded");
  EXPECT_NE(over.messages.find("The queue grows"), std::string::npos) << over.messages;
  const ProgramRun brief = simulate(model("vanilla-600m"), "--rate 1000 --replicas 40" + more);
  EXPECT_EQ(nlohmann::json::parse(brief.out)[0]["verdict"], "too short");
  EXPECT_NE(brief.messages.find("too short to tell"), std::string::npos) << brief.messages;
  const ProgramRun fewest = simulate(model("vanilla-600m"), "--rate 1000 --replicas auto" + more);
  const auto row = nlohmann::json::parse(fewest.out)[0];
  EXPECT_LT(row["load"].get<double>(), 1.0);
  EXPECT_GT(row["replicas"].get<int>(), 1);
  const ProgramRun left_out =
      simulate(model("vanilla-600m") + " " + model("photon-600m"), "--generation recgen --rate 1" + more);
  EXPECT_NE(left_out.messages.find("vanilla-600m: no rows"), std::string::npos) << left_out.messages;
}

TEST(SimulateCommand, TakesTheEfficiencyOfThisMachineAlone) {
  // Rows of a CPU say nothing of an H200.
  const auto rows = share_folder() / "analysis" / "results" / "cpu-2-core" / "multi-query.csv";
  const ProgramRun run =
      simulate(model("vanilla-small"), "--rate 1 --dtype float32 --measured " + rows.string());
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.messages.find("on 'NVIDIA H200' in float32"), std::string::npos) << run.messages;
  EXPECT_NE(run.messages.find("Intel"), std::string::npos) << run.messages;
}

TEST(SimulateCommand, ServesTheSameRequestsOnAnEngine) {
  const ProgramRun run = simulate(model("photon-tiny"),
                                  "--generation recgen --rate 100 --requests 5 --prompt 50 --new 40 --rows 1 "
                                  "--dtype float32 --engine cpu --format json");
  ASSERT_EQ(run.code, 0) << run.messages;
  const auto rows = nlohmann::json::parse(run.out);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["band"], "mid");
  EXPECT_EQ(rows[1]["band"], "engine");
  EXPECT_GT(rows[1]["throughput_tokens_per_s"].get<double>(), 0.0);
  EXPECT_GT(rows[1]["burst_p50_seconds"].get<double>(), 0.0);
  const ProgramRun batch = simulate(model("photon-tiny"), "--rate 1 --engine cpu --dtype float32");
  EXPECT_EQ(batch.code, 2) << "an engine serves one request at a time";
}

TEST(SimulateCommand, WrongUseIsRefusedBeforeAFileIsOpened) {
  for (const char* const options : {"--format xml",
                                    "--dtype float8",
                                    "--samples 0",
                                    "--limit-ttft -1",
                                    "--limit-burst nan",
                                    "--limit-total many",
                                    "--ceilings guessed",
                                    "--requests 0",
                                    "--rows -3",
                                    "--burst-factor 0",
                                    "--prompt uniform:3",
                                    "--new lognormal",
                                    "--prefill-efficiency 2",
                                    "--engine abacus",
                                    "--seed -1",
                                    "--prefill-tokens 0",
                                    "--arrivals never",
                                    "--replicas -1",
                                    "--context 0",
                                    "--generation x"}) {
    const ProgramRun run = run_photon(
        fmt::format("simulate photon-600m --hardware h200 --measured no-file --rate 1 {}", options));
    EXPECT_EQ(run.code, 2) << options << run.messages;
    EXPECT_EQ(run.out, "") << options;
    EXPECT_LT(run.messages.size(), 250) << "CLI11 prints the largest double in full";
    EXPECT_EQ(run.messages.find("no-"), std::string::npos) << run.messages;
  }
}

TEST(SimulateCommand, RefusesWhatCannotBe) {
  const std::string m = model("block-600m");
  for (const char* const options : {"",
                                    "--rate 0",
                                    "--rate many",
                                    "--rate 5,",
                                    "--rate 1 --requests 0",
                                    "--rate 1 --requests 99999999999",
                                    "--rate 1 --prompt 0",
                                    "--rate 1 --prompt uniform:9:3",
                                    "--rate 1 --replicas 99999",
                                    "--rate 1 --replicas 0",
                                    "--rate 1,max --replicas auto",
                                    "--rate 1 --samples 0",
                                    "--rate 1 --context 64",
                                    "--rate 1 --context 4096 --new uniform:1:9",
                                    "--rate 1 --format xml",
                                    "--rate 1 --limit-ttft -1",
                                    "--rate 1 --limit-burst 0",
                                    "--rate 1 --limit-token nan",
                                    "--rate 1 --limit-total -3",
                                    "--rate 1 --decode-efficiency 1.01",
                                    "--rate 1 --prefill-efficiency 0",
                                    "--rate 1 --decode-efficiency 0.5:0.4:0.6",
                                    "--arrivals trace",
                                    "--rate 1 --arrivals never",
                                    "--rate max --arrivals bursts",
                                    "--rate 1 --burst-factor 3",
                                    "--rate 1 --burst-seconds 3",
                                    "--rate 1 --context 4096 --prompt 300",
                                    "--rate 1 --trace nothing-reads-it.csv",
                                    "--rate max --context 4096 --prompt trace --trace nothing-reads-it.csv",
                                    "--rate 1 --measured r.csv --prefill-efficiency 1 --decode-efficiency 1",
                                    "--rate 1 --shared-prefix -1",
                                    "--rate 1 --prefill-tokens 0",
                                    "--rate 1 --rows -1",
                                    "--rate 1 --ceilings guessed",
                                    "--rate 1 --generation recgen"}) {
    const ProgramRun run = simulate(m, options);
    EXPECT_EQ(run.code, 2) << options << run.messages;
    EXPECT_EQ(run.out, "") << options;
    EXPECT_NE(run.messages, "") << options;
  }
  const TempFolder folder;
  write_text(folder / "hw.toml",
             "name = 'x'\nmemory_gb = 80\ncache_mib = 40\n[data_sheet]\nbfloat16_tflops = 300\n");
  const ProgramRun run =
      run_photon(fmt::format("simulate {} --hardware {} --rate 1", m, (folder / "hw.toml").string()));
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.messages.find("hw.toml: no bandwidth_gb_per_s"), std::string::npos) << run.messages;
}

}  // namespace
}  // namespace photon::testing
