// SPDX-License-Identifier: Apache-2.0
// photon floor's other views: crossing points, alternatives, the paper's tables.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/paths.h"
#include "tests/app/run_photon.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

std::string config(const std::string& path) {
  return share_folder().string() + "/configs/" + path;
}

std::string model(const std::string& name) {
  return " " + config("models/" + name + ".toml");
}

const std::string h200 = " --hardware " + config("hardware/h200.toml");

nlohmann::json json_of(const std::string& words) {
  const ProgramRun run = run_photon(words + " --format json");
  EXPECT_EQ(run.code, 0) << run.messages;
  return nlohmann::json::parse(run.out);
}

TEST(FloorViews, CrossingsOfSeveralModelsAndGenerations) {
  const std::string words = "floor crossings" + model("vanilla-600m") + model("photon-600m") + h200 +
                            " --generation hiergen,recgen --context 2048,32768 --batch 1,64";
  const auto cases = json_of(words)["cases"];
  ASSERT_EQ(cases.size(), 3u);  // vanilla has no recgen
  for (const auto& c : cases) {
    ASSERT_EQ(c["over_batch"].size(), 2u);
    ASSERT_EQ(c["over_context"].size(), 2u);
    const auto first = [](const nlohmann::json& at) {
      const auto& crossing = at["kv_over_weights"];
      return (crossing["holds_at_low"].get<bool>() ? crossing["low"] : crossing["changes"][0]).get<int64_t>();
    };
    EXPECT_LT(first(c["over_batch"][1]), first(c["over_batch"][0])) << "a longer context takes fewer rows";
    EXPECT_LT(first(c["over_context"][1]), first(c["over_context"][0])) << "more rows take a shorter context";
  }
  // A row of vanilla at 2,048 tokens takes more time for bytes than for arithmetic: no batch is
  // compute-bound.
  EXPECT_TRUE(cases[0]["over_batch"][0]["compute_bound"]["changes"].empty());
  EXPECT_EQ(cases[2]["generation"], "recgen");
  EXPECT_FALSE(cases[2]["over_batch"][0]["compute_bound"]["changes"].empty());
  const ProgramRun table = run_photon(words);
  ASSERT_EQ(table.code, 0) << table.messages;
  EXPECT_TRUE(holds(table.out, {"never up to 16,777,216", "KV of encoder 1 over its own weights",
                                "## photon-600m, recgen", "| decoder 1 | from 147 |"}));
}

TEST(FloorViews, AlternativesOfOneSize) {
  const auto json = json_of("floor alternatives" + model("vanilla-600m") + " --context 2048,4096");
  EXPECT_EQ(json["rows"].size() % 2, 0u);
  EXPECT_GE(json["rows"].size(), 30u);
  for (const auto& row : json["rows"]) {
    EXPECT_GT(row["kv_bytes_held_per_sample"].get<double>(), 0.0) << row;
    EXPECT_FALSE(row["source"].get<std::string>().empty()) << row;
  }
  const ProgramRun table = run_photon("floor alternatives" + model("vanilla-600m"));
  EXPECT_TRUE(holds(table.out, {"says anything of quality", "| tokens dropped |", "| PHOTON RecGen |",
                                "| latent attention (MLA) |"}));
}

TEST(FloorViews, ThePapersTables) {
  const auto json = json_of("floor paper" + h200);
  ASSERT_EQ(json["rows"].size(), 22u);
  for (const auto& row : json["rows"]) {
    EXPECT_GT(row["serial_fraction"].get<double>(), 0.0);
    EXPECT_LT(row["serial_fraction"].get<double>(), 1.0);
  }
  for (const auto& ratio : json["ratios"]) {
    EXPECT_GT(ratio["throughput_floor"].get<double>(), 0.0);
    EXPECT_GT(ratio["throughput_overlap"].get<double>(), 0.0);
    EXPECT_GT(ratio["throughput_at_equal_batch"].size(), 3u);
  }
  EXPECT_EQ(json["bandwidth_from"], "reported");
  EXPECT_EQ(json["peak_neighbours"].size(), 32u);
  const auto faster = json_of("floor paper --ceilings datasheet" + h200);
  EXPECT_LT(faster["rows"][0]["serial_fraction"], json["rows"][0]["serial_fraction"]);
  const ProgramRun table = run_photon("floor paper" + h200);
  EXPECT_TRUE(holds(table.out,
                    {"PHOTON HierGen / Vanilla", "| peak of prefill or decode |", "The paper states no batch",
                     "| serial | | overlap |", "| batch 64 |", "these same 22 cells at hand", "(reported)"}));
}

TEST(FloorViews, RefuseWhatCannotBe) {
  const auto refused = [](const std::string& words, int code, const std::string& message) {
    const ProgramRun run = run_photon("floor" + words);
    EXPECT_EQ(run.code, code) << words << run.messages;
    EXPECT_TRUE(holds(run.messages, {message})) << words;
    EXPECT_EQ(run.out, "") << words;
  };
  refused(" paper", 2, "--hardware is required");
  refused(" paper" + model("vanilla-600m") + h200, 2, "vanilla-600m");
  refused("", 2, "needs a model");
  refused(model("vanilla-600m") + model("block-600m") + h200 + " --prompt 1 --new 1", 2, "block-600m");
  refused(" alternatives" + model("photon-600m"), 1, "a vanilla model is needed");
  refused(" alternatives" + model("vanilla-600m") + " --context 12", 2, "1024 to");
  refused(" crossings" + model("vanilla-600m") + h200 + " --generation recgen", 2, "two levels");
  refused(" crossings" + model("vanilla-600m") + h200 + " --batch 2000000", 2, "--batch 2000000");
  refused(" crossings" + model("vanilla-600m") + h200 + " --context 100000000", 2, "--context 100000000");
}

}  // namespace
}  // namespace photon::testing
