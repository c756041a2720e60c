// Hardware files: those in the tree read whole, written ones read back, wrong ones are refused with a reason.
#include "core/hardware.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/core/temp_folder.h"

namespace photon {
namespace {

using testing::message_of;
using testing::TempFolder;
using testing::write_text;

const std::filesystem::path folder = std::filesystem::path(PHOTON_SOURCE_DIR) / "configs" / "hardware";

TEST(Hardware, EveryFileOfTheTreeGivesCeilings) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".toml") continue;
    SCOPED_TRACE(entry.path());
    const Hardware h = load_hardware(entry.path());
    ++files;
    EXPECT_GT(h.memory_bytes, 0);
    for (const bool data_sheet : {false, true}) {
      const Ceilings c = h.ceilings(DType::bfloat16, data_sheet);
      EXPECT_GT(c.bandwidth, 0.0);
      EXPECT_GT(c.matrix_rate, c.bandwidth) << "a FLOP a byte or more";
    }
    EXPECT_LE(h.measured.bandwidth, h.data_sheet.bandwidth);
    EXPECT_LE(h.measured.bfloat16_rate, h.data_sheet.bfloat16_rate);
  }
  EXPECT_GE(files, 4);
}

TEST(Hardware, MeasuredRatesStandBeforeTheDataSheets) {
  const Hardware h = load_hardware(folder / "h200.toml");
  EXPECT_EQ(h.ceilings(DType::bfloat16).bandwidth, 4.3e12);
  EXPECT_EQ(h.ceilings(DType::bfloat16).matrix_rate, 788e12);
  EXPECT_EQ(h.ceilings(DType::bfloat16, true).bandwidth, 4.8e12);
  EXPECT_EQ(h.ceilings(DType::float32).matrix_rate, 67e12);
}

TEST(Hardware, WhatIsWrittenReadsBack) {
  const TempFolder temp;
  Hardware h;
  h.name = "a \"quoted\" machine";
  h.memory_bytes = 16'000'000'000;
  h.cache_bytes = 32 << 20;
  h.power_watts = 65.0;
  h.measured = {.bandwidth = 17.5e9, .float32_rate = 0.2e12, .cache_bandwidth = 80e9, .launch_seconds = 2e-7};
  write_text(temp / "this.toml", to_toml(h));
  const Hardware back = load_hardware(temp / "this.toml");
  EXPECT_EQ(back.name, h.name);
  EXPECT_EQ(back.memory_bytes, h.memory_bytes);
  EXPECT_EQ(back.cache_bytes, h.cache_bytes);
  EXPECT_EQ(back.power_watts, h.power_watts);
  EXPECT_FALSE(back.price_per_hour.has_value());
  EXPECT_DOUBLE_EQ(back.measured.bandwidth, h.measured.bandwidth);
  EXPECT_DOUBLE_EQ(back.measured.float32_rate, h.measured.float32_rate);
  EXPECT_DOUBLE_EQ(back.measured.cache_bandwidth, h.measured.cache_bandwidth);
  EXPECT_DOUBLE_EQ(back.measured.launch_seconds, h.measured.launch_seconds);
  EXPECT_NE(message_of<Error>([&] { back.ceilings(DType::bfloat16); }).find("bfloat16_tflops"),
            std::string::npos);
}

TEST(Hardware, RefusesWithFileAndReason) {
  const TempFolder temp;
  const auto refused = [&](const char* text) {
    write_text(temp / "hw.toml", text);
    return message_of<Error>([&] { load_hardware(temp / "hw.toml"); });
  };
  EXPECT_NE(refused("name = 'x'\nmemory_gb = 8\n").find("bandwidth_gb_per_s"), std::string::npos);
  EXPECT_NE(refused("name = 'x'\nmemory_gb = 8\nmemory_gib = 8\n[measured]\nbandwidth_gb_per_s = 1\n")
                .find("did you mean 'memory_gb'"),
            std::string::npos);
  EXPECT_NE(refused("name = 'x'\nmemory_gb = -1\n[measured]\nbandwidth_gb_per_s = 1\n").find("hw.toml:2"),
            std::string::npos);
  EXPECT_NE(refused("name = 'x'\nmemory_gb = 8\n[measured]\nbandwidth_gb_per_s = nan\n").find("hw.toml:4"),
            std::string::npos);
  EXPECT_NE(refused("memory_gb = 8\n[measured]\nbandwidth_gb_per_s = 1\n").find("name"), std::string::npos);
}

}  // namespace
}  // namespace photon
