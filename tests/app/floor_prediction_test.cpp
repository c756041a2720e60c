// SPDX-License-Identifier: Apache-2.0
// photon floor --rates: times of a machine whose every kernel takes a known time, and what is refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/paths.h"
#include "core/cost/kernel_rates.h"
#include "core/model/model_config.h"
#include "tests/app/run_photon.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

struct FloorPrediction : ::testing::Test {
  TempFolder folder;
  std::filesystem::path file = folder.path() / "rates.csv";
  std::filesystem::path model = share_folder() / "configs" / "models" / "photon-tiny.toml";
  Workload workload{.prompt = 64, .new_tokens = 32, .batch = 2, .weight_bytes = 4, .kv_bytes = 4};

  KernelRate rate(const KernelPlace& place) const {
    return {.run_id = "r",
            .time = "2026-01-01T00:00:00Z",
            .commit = "c",
            .backend = "cpu",
            .device = "a machine",
            .dtype = "float32",
            .kernel = place.kernel,
            .footprint = place.footprint,
            .seconds = 1e-3,
            .samples = 5};
  }
  void write_rates() const {
    for (const KernelPlace& place : kernels_of(load_model_spec(model), workload))
      append_kernel_rate(file, rate(place));
  }
  ProgramRun run(const std::string& more = "--dtype float32") const {
    return run_photon("floor " + model.string() + " --hardware " + share_folder().string() +
                      "/configs/hardware/h200.toml --prompt 64 --new 32 --batch 2 --rates " + file.string() +
                      " " + more);
  }
};

TEST_F(FloorPrediction, SumsTheKernelsOfTheRequest) {
  write_rates();
  double prefill = 0.0;
  double decode = 0.0;
  visit_kernels(
      load_model_spec(model), workload, [&](const KernelVisit& v) { prefill += 1e-3 * v.times; },
      [&](const KernelVisit& v) { decode += 1e-3 * v.times; });
  const ProgramRun machine = run("--dtype float32 --format json");
  ASSERT_EQ(machine.code, 0) << machine.messages;
  const auto json = nlohmann::json::parse(machine.out);
  EXPECT_GT(prefill, 0.0);
  EXPECT_NEAR(json["prefill_predicted_seconds"].get<double>() / prefill, 1.0, 1e-9);
  EXPECT_NEAR(json["decode_predicted_seconds"].get<double>() / decode, 1.0, 1e-9);
  EXPECT_NEAR(json["predicted_throughput_tokens_per_s"].get<double>() * (prefill + decode) / (2 * 32), 1.0,
              1e-9);
  const ProgramRun people = run();
  ASSERT_EQ(people.code, 0) << people.messages;
  EXPECT_TRUE(holds(people.out, {"predicted from rates of kernels on a machine (cpu, float32), commit c"}));
}

TEST_F(FloorPrediction, SaysWhatTheFileLacks) {
  const auto places = kernels_of(load_model_spec(model), workload);
  append_kernel_rate(file, rate(places.front()));
  const ProgramRun people = run();
  ASSERT_EQ(people.code, 0) << people.messages;
  EXPECT_TRUE(holds(people.out, {"not predicted",
                                 std::to_string(places.size() - 1) + " of the " +
                                     std::to_string(places.size()) + " kernels",
                                 "photon bench --rates", "bench_kernels"}));
  const ProgramRun machine = run("--dtype float32 --format json");
  ASSERT_EQ(machine.code, 0) << machine.messages;
  const auto json = nlohmann::json::parse(machine.out);
  EXPECT_TRUE(json["prefill_predicted_seconds"].is_null());
  EXPECT_TRUE(json["decode_predicted_seconds"].is_null());
  write_rates();
  const ProgramRun shared = run("--dtype float32 --samples 3");
  ASSERT_EQ(shared.code, 0) << shared.messages;
  EXPECT_TRUE(holds(shared.out, {"not predicted", "samples share a prompt"}));
}

TEST_F(FloorPrediction, RefusesRatesOfSeveralMachines) {
  write_rates();
  const KernelPlace place = kernels_of(load_model_spec(model), workload).front();
  const auto with = [&](std::string KernelRate::*column, const std::string& value) {
    std::filesystem::remove(file);
    write_rates();
    KernelRate other = rate(place);
    other.*column = value;
    append_kernel_rate(file, other);
    const ProgramRun refused = run();
    EXPECT_EQ(refused.code, 1) << refused.out;
    EXPECT_EQ(refused.out, "");
    return refused.messages;
  };
  EXPECT_TRUE(holds(with(&KernelRate::device, "another one"), {"2 devices", "a machine; another one"}));
  EXPECT_TRUE(holds(with(&KernelRate::backend, "emulated"), {"2 back ends", "cpu; emulated"}));
  EXPECT_TRUE(holds(with(&KernelRate::dtype, "float64"), {"2 element types", "float32; float64"}));
}

TEST_F(FloorPrediction, RefusesWhatDoesNotFit) {
  EXPECT_EQ(run().code, 1) << "no file";
  write_rates();
  const ProgramRun other = run("--dtype bfloat16");
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(holds(other.messages, {"float32", "bfloat16"}));
}

}  // namespace
}  // namespace photon::testing
