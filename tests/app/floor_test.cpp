#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/paths.h"
#include "tests/app/run_photon.h"

namespace photon::testing {
namespace {

ProgramRun floor(const std::string& model, std::vector<std::string> more) {
  const std::string configs = share_folder().string() + "/configs/";
  std::vector<std::string> arguments{"floor", configs + "models/" + model + ".toml", "--hardware",
                                     configs + "hardware/h200.toml"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  std::string words;
  for (const std::string& argument : arguments) words += argument + " ";
  return run_photon(words);
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
  const ProgramRun run = floor("photon-600m", {"--training", "--batch", "2", "--format", "json"});
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
  const ProgramRun table = floor("photon-600m", {"--training", "--batch", "2", "--recompute", "layer"});
  ASSERT_EQ(table.code, 0) << table.messages;
  EXPECT_NE(table.out.find("| again | qkv |"), std::string::npos) << table.out;
}

TEST(FloorCommand, LargestTrainingBatchGrowsWithRecomputation) {
  const auto rows = [](const std::string& recompute) {
    const ProgramRun run =
        floor("vanilla-600m", {"--training", "--recompute", recompute, "--format", "json"});
    EXPECT_EQ(run.code, 0) << run.messages;
    const auto json = nlohmann::json::parse(run.out);
    EXPECT_LE(json["memory_bytes"].get<double>(), json["memory_usable_bytes"].get<double>());
    return json["batch"].get<int64_t>();
  };
  EXPECT_GT(rows("none"), 1);
  EXPECT_GT(rows("inner"), rows("none"));
  EXPECT_GT(rows("layer"), rows("inner"));
  EXPECT_EQ(floor("vanilla-600m", {"--training", "--recompute", "some"}).code, 2);
  EXPECT_EQ(floor("photon-600m", {"--training", "--length", "100"}).code, 1);
  EXPECT_EQ(floor("photon-600m", {}).code, 2);
}

}  // namespace
}  // namespace photon::testing
