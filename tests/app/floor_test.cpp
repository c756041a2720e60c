// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/base/paths.h"
#include "tests/app/run_photon.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

/// `words_before`: "floor", or with one of its subcommands.
ProgramRun run_floor(const std::string& words_before, const std::string& model,
                     std::vector<std::string> more) {
  const std::string configs = share_folder().string() + "/configs/";
  std::vector<std::string> arguments{words_before, configs + "models/" + model + ".toml", "--hardware",
                                     configs + "hardware/h200.toml"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  std::string words;
  for (const std::string& argument : arguments) words += argument + " ";
  return run_photon(words);
}

ProgramRun floor(const std::string& model, std::vector<std::string> more) {
  return run_floor("floor", model, std::move(more));
}

ProgramRun training(const std::string& model, std::vector<std::string> more) {
  return run_floor("floor training", model, std::move(more));
}

TEST(FloorCommand, PrintsEveryNumberAsJson) {
  const ProgramRun run =
      floor("photon-600m", {"--prompt", "2048", "--new", "128", "--batch", "8", "--format", "json"});
  ASSERT_EQ(run.code, 0) << run.messages;
  const auto json = nlohmann::json::parse(run.out);
  for (const char* key : {"batch", "kv_bytes_ideal_per_sample", "prefill_flops", "prefill_bytes",
                          "decode_flops", "decode_weight_bytes", "decode_kv_bytes", "prefill_seconds",
                          "decode_seconds", "prefill_serial_seconds", "decode_serial_seconds",
                          "throughput_tokens_per_s", "tpm_ktok_per_s_per_gib"}) {
    ASSERT_TRUE(json.contains(key)) << key;
    EXPECT_GT(json[key].get<double>(), 0.0) << key;
  }
  EXPECT_EQ(json["batch"], 8);
  // 544 + 136 units of 4 layers of width 1664 in bf16.
  EXPECT_EQ(json["kv_bytes_ideal_per_sample"], 4.0 * 4 * 1664 * (544 + 136));
  const double seconds = json["prefill_seconds"].get<double>() + json["decode_seconds"].get<double>();
  EXPECT_NEAR(json["throughput_tokens_per_s"].get<double>() * seconds / (8 * 128), 1.0, 1e-9);
  const double gib = json["kv_bytes_ideal_per_sample"].get<double>() / 0x1p30;
  EXPECT_NEAR(json["tpm_ktok_per_s_per_gib"].get<double>() * gib * 1e3,
              json["throughput_tokens_per_s"].get<double>(), 1.0);
  EXPECT_EQ(json["decode_bound"], "bandwidth");
}

TEST(FloorCommand, LargestBatchAndSlowerCeilings) {
  const auto decode_seconds = [](const std::string& ceilings) {
    const ProgramRun run = floor("block-600m", {"--prompt", "128", "--new", "256", "--batch", "max",
                                                "--ceilings", ceilings, "--format", "json"});
    EXPECT_EQ(run.code, 0) << run.messages;
    const auto json = nlohmann::json::parse(run.out);
    EXPECT_GT(json["batch"], 1000);
    return json["decode_serial_seconds"].get<double>();
  };
  EXPECT_LT(decode_seconds("datasheet"), decode_seconds("measured"));
}

// Ceilings of one kind are not to be compared with those of another unawares.
TEST(FloorCommand, SaysWhereItsCeilingsComeFrom) {
  const std::vector<std::string> request{"--prompt", "128", "--new", "64", "--batch", "8"};
  const auto run_on = [&](const std::string& machine, const std::vector<std::string>& more) {
    std::vector<std::string> words = request;
    words.insert(words.end(), more.begin(), more.end());
    const std::string configs = share_folder().string() + "/configs/";
    std::string line = "floor " + configs + "models/photon-600m.toml --hardware " + configs + "hardware/" +
                       machine + ".toml";
    for (const std::string& word : words) line += " " + word;
    return run_photon(line);
  };
  const auto json_on = [&](const std::string& machine, std::vector<std::string> more) {
    more.insert(more.end(), {"--format", "json"});
    return nlohmann::json::parse(run_on(machine, more).out);
  };
  const auto h200 = json_on("h200", {});
  EXPECT_EQ(h200["bandwidth_from"], "reported");
  EXPECT_EQ(h200["matrix_rate_from"], "reported");
  EXPECT_FALSE(h200["reported_by"].get<std::string>().empty());
  EXPECT_EQ(json_on("h200", {"--ceilings", "datasheet"})["bandwidth_from"], "data sheet");
  EXPECT_EQ(json_on("b200", {})["bandwidth_from"], "data sheet");
  const std::string b200 = run_on("b200", {}).out;
  EXPECT_TRUE(
      holds(b200, {"8000 GB/s (data sheet)", "2250 TFLOP/s (data sheet)", "--ceilings datasheet for both"}));
  const std::string both = run_on("h200", {}).out;
  EXPECT_TRUE(holds(both, {"4300 GB/s (reported)", "788 TFLOP/s (reported)", "not measured by photon"}));
}

TEST(FloorCommand, LaunchesStandBesideTheFloorsThatLeaveThemOut) {
  const std::vector<std::string> request{"--prompt", "128", "--new", "256", "--batch", "8"};
  auto words = request;
  words.insert(words.end(), {"--format", "json"});
  const auto json = nlohmann::json::parse(floor("photon-600m", words).out);
  EXPECT_NEAR(json["decode_launches_seconds"].get<double>(), 1.3e-6 * json["decode_launches"].get<double>(),
              1e-12);
  EXPECT_GT(json["decode_launches"].get<double>(), 1000.0);
  EXPECT_TRUE(holds(floor("photon-600m", request).out, {"launches are in neither floor", "s by themselves"}));
  words.insert(words.end(), {"--ceilings", "datasheet"});
  const auto unknown = nlohmann::json::parse(floor("photon-600m", words).out);
  EXPECT_TRUE(unknown["decode_launches_seconds"].is_null()) << "no data sheet has it: unknown is not zero";
  EXPECT_TRUE(unknown["launch_seconds"].is_null());
  words = request;
  words.insert(words.end(), {"--ceilings", "datasheet"});
  EXPECT_TRUE(holds(floor("photon-600m", words).out, {"launches are in neither floor", "is not known"}));
}

TEST(FloorCommand, ABatchThatDoesNotFitHasNoThroughput) {
  const auto json_at = [](const std::string& batch) {
    const ProgramRun run =
        floor("vanilla-600m", {"--prompt", "128", "--new", "2048", "--batch", batch, "--format", "json"});
    EXPECT_EQ(run.code, 0) << run.messages;
    return nlohmann::json::parse(run.out);
  };
  const int64_t most = json_at("max")["batch"].get<int64_t>();
  const auto fits = json_at(std::to_string(most));
  EXPECT_EQ(fits["fits"], true);
  EXPECT_GT(fits["throughput_tokens_per_s"].get<double>(), 0.0);
  const auto too_many = json_at(std::to_string(most + 1));
  EXPECT_EQ(too_many["fits"], false);
  EXPECT_EQ(too_many["largest_batch"], most);
  for (const char* key :
       {"throughput_tokens_per_s", "serial_throughput_tokens_per_s", "tpm_ktok_per_s_per_gib"})
    EXPECT_TRUE(too_many[key].is_null()) << key;
  const ProgramRun table =
      floor("vanilla-600m", {"--prompt", "128", "--new", "2048", "--batch", std::to_string(most + 1)});
  EXPECT_TRUE(holds(table.out, {"no throughput", "do not fit", std::to_string(most) + " fit (--batch max)"}));
  EXPECT_EQ(table.out.find("throughput at the floor"), std::string::npos) << table.out;
  const ProgramRun step = training("vanilla-600m", {"--batch", "400"});
  ASSERT_EQ(step.code, 0) << step.messages;
  EXPECT_TRUE(holds(step.out, {"400 rows do not fit", "no tok/s"}));
}

TEST(FloorCommand, PrintsATableByOperation) {
  const ProgramRun run =
      floor("photon-600m", {"--prompt", "128", "--new", "256", "--batch", "1", "--generation", "recgen"});
  ASSERT_EQ(run.code, 0) << run.messages;
  EXPECT_NE(run.out.find("| decoder 1, local attention |"), std::string::npos) << run.out;
  EXPECT_EQ(run.out.find("| encoder 1, attention |"), std::string::npos) << "recgen never runs encoder 1";
}

TEST(FloorCommand, RefusesWhatCannotBe) {
  const std::vector<std::string> request{"--prompt", "128", "--new", "128"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), request.begin(), request.end());
    return more;
  };
  EXPECT_EQ(floor("photon-600m", with({"--batch", "0"})).code, 2);
  EXPECT_EQ(floor("photon-600m", with({"--batch", "many"})).code, 2);
  EXPECT_EQ(floor("photon-600m", with({"--format", "xml"})).code, 2);
  EXPECT_EQ(floor("photon-600m", with({"--ceilings", "guessed"})).code, 2);
  EXPECT_EQ(floor("photon-600m", {"--prompt", "128"}).code, 2);
  const ProgramRun recgen = floor("block-600m", with({"--generation", "recgen"}));
  EXPECT_EQ(recgen.code, 1);
  EXPECT_NE(recgen.messages.find("recgen needs two levels"), std::string::npos) << recgen.messages;
  EXPECT_EQ(recgen.out, "");
}

TEST(FloorCommand, TrainingStepByOpWithoutADevice) {
  const ProgramRun run = training("photon-600m", {"--batch", "2", "--format", "json"});
  ASSERT_EQ(run.code, 0) << run.messages;
  const auto json = nlohmann::json::parse(run.out);
  double seconds = 0.0;
  for (const auto& op : json["ops"]) seconds += op["seconds"].get<double>();
  EXPECT_NEAR(json["step_seconds"].get<double>() / seconds, 1.0, 1e-9);
  const double mfu =
      json["training_flops"].get<double>() / seconds / json["matrix_flops_per_s"].get<double>();
  EXPECT_NEAR(json["mfu"].get<double>(), mfu, 1e-9);
  EXPECT_GT(mfu, 0.3);
  EXPECT_LT(mfu, 1.0);
  EXPECT_EQ(json["again_flops"], 0.0);
  const ProgramRun table = training("photon-600m", {"--batch", "2", "--recompute", "layer"});
  ASSERT_EQ(table.code, 0) << table.messages;
  EXPECT_NE(table.out.find("| again | qkv |"), std::string::npos) << table.out;
}

TEST(FloorCommand, LargestTrainingBatchGrowsWithRecomputation) {
  const auto rows = [](const std::string& recompute) {
    const ProgramRun run = training("vanilla-600m", {"--recompute", recompute, "--format", "json"});
    EXPECT_EQ(run.code, 0) << run.messages;
    const auto json = nlohmann::json::parse(run.out);
    EXPECT_LE(json["memory_bytes"].get<double>(), json["memory_usable_bytes"].get<double>());
    return json["batch"].get<int64_t>();
  };
  EXPECT_GT(rows("none"), 1);
  EXPECT_GT(rows("inner"), rows("none"));
  EXPECT_GT(rows("layer"), rows("inner"));
  EXPECT_EQ(training("vanilla-600m", {"--recompute", "some"}).code, 2);
  EXPECT_EQ(training("photon-600m", {"--length", "100"}).code, 1);
  EXPECT_EQ(floor("photon-600m", {}).code, 2);
}

}  // namespace
}  // namespace photon::testing
