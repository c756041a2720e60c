// SPDX-License-Identifier: Apache-2.0
#include "core/cost/hardware.h"
#include "core/base/paths.h"

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

Hardware parse(std::string_view text) {
  const testing::TempFolder folder;
  testing::write_text(folder / "hw.toml", text);
  return load_hardware(folder / "hw.toml");
}

TEST(Hardware, ShippedFilesHaveFloors) {
  int files = 0;
  const auto folder = share_folder() / "configs" / "hardware";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path());
    ++files;
    const Hardware h = load_hardware(entry.path());
    EXPECT_GT(h.memory_bytes, int64_t{1} << 30);
    EXPECT_GT(h.cache_bytes, int64_t{1} << 20);
    for (const DType dtype : {DType::bfloat16, DType::float32, DType::float64}) {
      EXPECT_GT(h.ceilings(dtype).bandwidth, 0.0);
      if (h.data_sheet.bandwidth == 0.0) continue;  // a machine that was only measured
      const Ceilings promised = h.ceilings(dtype, true);
      const Ceilings c = h.ceilings(dtype);
      EXPECT_LE(c.bandwidth, promised.bandwidth) << "measured above the data sheet";
      EXPECT_LE(c.matrix_rate, promised.matrix_rate) << "measured above the data sheet";
    }
  }
  EXPECT_GE(files, 4);
}

TEST(Hardware, MeasuredRatesComeBeforePromises) {
  const Hardware h = parse(
      "name = 'x'\nmemory_gb = 8\ncache_mib = 2\n"
      "[data_sheet]\nbandwidth_gb_per_s = 100\nbfloat16_tflops = 10\nfloat32_tflops = 5\n"
      "[measured]\nbandwidth_gb_per_s = 80\nbfloat16_tflops = 7\nlaunch_us = 1.5\n");
  EXPECT_EQ(h.memory_bytes, 8'000'000'000);
  const Ceilings measured = h.ceilings(DType::bfloat16);
  EXPECT_EQ(measured.bandwidth, 80e9);
  EXPECT_EQ(measured.matrix_rate, 7e12);
  EXPECT_EQ(measured.cache_bytes, 2 << 20);
  EXPECT_DOUBLE_EQ(measured.launch_seconds, 1.5e-6);
  EXPECT_EQ(h.ceilings(DType::bfloat16, true).bandwidth, 100e9);
  EXPECT_EQ(h.ceilings(DType::bfloat16, true).matrix_rate, 10e12);
  EXPECT_EQ(h.ceilings(DType::float32).matrix_rate, 5e12) << "not measured";
  EXPECT_THROW(h.ceilings(DType::float64), Error) << "stands nowhere";
}

// A floor that takes one machine's rate as measured and another's as promised has to be able to say so.
TEST(Hardware, EveryRateSaysWhereItComesFrom) {
  const std::string head =
      "name = 'x'\nmemory_gb = 8\n[data_sheet]\nbandwidth_gb_per_s = 100\nbfloat16_tflops = 10\n";
  const std::string reported = "[reported]\nsource = 'a page'\nbandwidth_gb_per_s = 90\nlaunch_us = 2\n";
  const auto origins = [](const Hardware& h, bool data_sheet_only) {
    const auto o = h.origins(DType::bfloat16, data_sheet_only);
    return std::vector<std::string_view>{o.bandwidth, o.matrix_rate, o.launch};
  };
  using Words = std::vector<std::string_view>;
  const Hardware both = parse(head + reported);
  EXPECT_EQ(both.ceilings(DType::bfloat16).bandwidth, 90e9);
  EXPECT_EQ(origins(both, false), (Words{"reported", "data sheet", "reported"}));
  EXPECT_EQ(both.ceilings(DType::bfloat16, true).bandwidth, 100e9);
  EXPECT_EQ(both.ceilings(DType::bfloat16, true).launch_seconds, 0.0);
  EXPECT_EQ(origins(both, true), (Words{"data sheet", "data sheet", ""}));
  const Hardware all = parse(head + reported + "[measured]\nbandwidth_gb_per_s = 80\n");
  EXPECT_EQ(all.ceilings(DType::bfloat16).bandwidth, 80e9) << "what photon measured comes first";
  EXPECT_EQ(origins(all, false), (Words{"measured", "data sheet", "reported"}));
}

TEST(Hardware, IsReadBackAsWritten) {
  const Hardware h = parse(
      "name = 'quote\"d'\nmemory_gb = 141\ncache_mib = 60\npower_watts = 700\nprice_per_hour = 3.5\n"
      "[data_sheet]\nbandwidth_gb_per_s = 4800\nfloat32_tflops = 67\n"
      "[reported]\nsource = 'whose \"and\" where'\nbfloat16_tflops = 788\n[measured]\nlaunch_us = 1.3\n");
  const Hardware again = parse(to_toml(h));
  EXPECT_EQ(again.name, h.name);
  EXPECT_EQ(again.memory_bytes, h.memory_bytes);
  EXPECT_EQ(again.cache_bytes, h.cache_bytes);
  EXPECT_EQ(again.power_watts, h.power_watts);
  EXPECT_EQ(again.price_per_hour, h.price_per_hour);
  EXPECT_EQ(again.data_sheet.bandwidth, h.data_sheet.bandwidth);
  EXPECT_EQ(again.data_sheet.float32_rate, h.data_sheet.float32_rate);
  EXPECT_EQ(again.reported_source, "whose \"and\" where");
  EXPECT_EQ(again.reported.bfloat16_rate, 788e12);
  EXPECT_EQ(again.measured.bandwidth, 0.0);
  EXPECT_DOUBLE_EQ(again.measured.launch_seconds, h.measured.launch_seconds);
}

TEST(Hardware, FaultsAreNamed) {
  const std::string head = "name = 'x'\nmemory_gb = 8\n";
  const auto message = [](const std::string& text) {
    return testing::message_of<Error>([&] { parse(text); });
  };
  EXPECT_NE(message(head).find("bandwidth_gb_per_s"), std::string::npos);
  EXPECT_NE(
      message(head + "[data_sheet]\nbandwith_gb_per_s = 1\n").find("did you mean 'bandwidth_gb_per_s'?"),
      std::string::npos);
  EXPECT_NE(message(head + "[data_sheet]\nbandwidth_gb_per_s = 0\n").find("bandwidth_gb_per_s"),
            std::string::npos);
  EXPECT_NE(message(head + "[data_sheet]\nbandwidth_gb_per_s = nan\n").find("bandwidth_gb_per_s"),
            std::string::npos);
  for (const char* source : {"", "source = ''\n"}) {
    EXPECT_NE(message(head + "[reported]\nbandwidth_gb_per_s = 1\n" + source).find("source"),
              std::string::npos);
  }
  EXPECT_NE(message("name = 'x'\nmemory_gb = -1\n").find("memory_gb"), std::string::npos);
  EXPECT_NE(message("memory_gb = 1\n").find("name"), std::string::npos);
  EXPECT_THROW(load_hardware("/nowhere/hw.toml"), Error);
}

}  // namespace
}  // namespace photon
