#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/paths.h"
#include "tests/app/run_photon.h"
#include "tests/core/temp_folder.h"

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
  EXPECT_NE(table.out.find("| ttft_p99_seconds (s) |"), std::string::npos) << table.out;
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

  write_text(folder / "bad.csv", trace + "2023-11-16 18:16:00,-5,10\n");
  const ProgramRun bad = simulate(model("photon-600m"),
                                  "--arrivals trace --prompt trace --trace " + (folder / "bad.csv").string());
  EXPECT_EQ(bad.code, 1);
  EXPECT_EQ(bad.out, "");
  EXPECT_NE(bad.messages.find("bad.csv:52: ContextTokens is -5"), std::string::npos) << bad.messages;
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
                                    "--rate 1 --replicas auto",
                                    "--rate 1 --samples 0",
                                    "--rate 1 --context 64",
                                    "--rate 1 --context 4096 --new uniform:1:9",
                                    "--rate 1 --format xml",
                                    "--rate 1 --limit-ttft -1",
                                    "--rate 1 --prefill-efficiency 0",
                                    "--rate 1 --decode-efficiency 0.5:0.4:0.6",
                                    "--arrivals trace",
                                    "--rate 1 --arrivals never",
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
