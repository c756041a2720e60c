// SPDX-License-Identifier: Apache-2.0
// What is said of a GPU that is not there or cannot be used, and the ceilings of the one that can.
#include "cuda_impl/device/device.h"

#include <gtest/gtest.h>

#include <cmath>

#include "cuda_impl/backend/ceilings.h"
#include "cuda_impl/device/device_array.h"
#include "cuda_impl/kernels/memory_ceilings.h"
#include "tests/reference/support.h"

namespace photon::PHOTON_GPU {
namespace {

TEST(Device, SaysWhyThereIsNone) {
  const auto why = [](cudaError_t answer, int driver, std::string_view visible) {
    return why_no_device(answer, driver, 13000, visible);
  };
  EXPECT_NE(why(cudaErrorInsufficientDriver, 0, "").find("driver is not installed"), std::string::npos);
  const std::string old = why(cudaErrorInsufficientDriver, 12040, "");
  EXPECT_NE(old.find("CUDA 12.4"), std::string::npos) << old;
  EXPECT_NE(old.find("CUDA 13.0"), std::string::npos) << old;
  EXPECT_NE(why(cudaErrorNoDevice, 13000, "").find("nvidia-smi"), std::string::npos);
  EXPECT_NE(why(cudaErrorNoDevice, 13000, "7").find("CUDA_VISIBLE_DEVICES is '7'"), std::string::npos);
  EXPECT_NE(why(cudaErrorSystemDriverMismatch, 13000, "").find("different versions"), std::string::npos);
  EXPECT_NE(why(cudaErrorSystemNotReady, 13000, "").find("fabricmanager"), std::string::npos);
  const std::string other = why(cudaErrorUnknown, 13000, "");
  EXPECT_NE(other.find("cudaErrorUnknown"), std::string::npos) << other;
}

TEST(Device, KnowsWhatCodeRunsOnIt) {
  EXPECT_TRUE(compiled_for("90a", 9, 0));
  EXPECT_FALSE(compiled_for("90a", 9, 1));
  EXPECT_FALSE(compiled_for("90a", 10, 0));
  EXPECT_FALSE(compiled_for("90a", 8, 0));
  EXPECT_TRUE(compiled_for("90", 9, 1));
  EXPECT_FALSE(compiled_for("103", 10, 0));
  EXPECT_TRUE(compiled_for("100f", 10, 3));
  EXPECT_TRUE(compiled_for("90a;100a", 10, 0));
  EXPECT_TRUE(compiled_for("90a;120", 12, 0));
  EXPECT_FALSE(compiled_for("90a;100a", 10, 3));
  EXPECT_FALSE(compiled_for("", 9, 0));
}

TEST(Device, Opens) {
  const Device device;
  EXPECT_FALSE(device.name().empty());
  EXPECT_GT(device.multiprocessors(), 0);
  EXPECT_GT(device.cache_bytes(), 0);
  EXPECT_GE(device.memory_in_use(), 0);
  EXPECT_LE(device.memory_in_use(), device.memory_bytes());
}

TEST(Ceilings, AreRatesInTheirOrder) {
  const Device device;
  const int64_t before = device.memory_in_use();
  const Ceilings c = measure_ceilings(device, DType::bfloat16);
  EXPECT_GT(c.read_bandwidth, 0.0);
  EXPECT_GT(c.copy_bandwidth, 0.0);
  EXPECT_EQ(c.bandwidth, std::max(c.read_bandwidth, c.copy_bandwidth));
  EXPECT_TRUE(std::isfinite(c.matrix_rate) && c.matrix_rate > 0.0) << c.matrix_rate;
  EXPECT_TRUE(std::isfinite(c.launch_seconds) && c.launch_seconds > 0.0) << c.launch_seconds;
  EXPECT_GE(c.spread, 0.0);
  EXPECT_LT(c.spread, 1.0);
  if (c.cache_bandwidth > 0.0) {
    EXPECT_GT(c.cache_bandwidth, c.read_bandwidth);
    EXPECT_LE(c.cache_bytes, device.cache_bytes());
  }
  EXPECT_EQ(measure_ceilings(device, DType::float32).matrix_rate, 0.0) << "products are bfloat16";
  EXPECT_LE(device.memory_in_use(), before + (int64_t{64} << 20)) << "what it took it gave back";
}

// A ceiling that reads less than it says would be too high: every word has to arrive, in every pass.
TEST(MemoryCeilings, ReadAndCopyEveryWord) {
  const uint64_t seed = photon::testing::test_seed();
  SCOPED_TRACE(seed);
  const Philox random(seed);
  Stream stream;
  for (const int64_t packs : {1, 511, 512, 4097, 9001}) {
    std::vector<uint32_t> words(static_cast<size_t>(packs) * 4);
    uint32_t all = 0;
    for (size_t i = 0; i < words.size(); ++i) {
      words[i] = static_cast<uint32_t>(4294967295.0 * random.uniform(static_cast<uint64_t>(packs), i));
      all ^= words[i];
    }
    const DeviceArray<uint32_t> from(words);
    const auto bytes = static_cast<int64_t>(words.size() * sizeof(uint32_t));
    for (const int blocks : {1, 3}) {
      for (const int passes : {1, 2, 3}) {
        DeviceArray<uint32_t> sums(static_cast<size_t>(blocks));
        read_memory(stream, {from.data(), bytes, passes, sums.data()}, blocks);
        stream.synchronize();
        uint32_t read = 0;
        for (const uint32_t x : sums.read()) read ^= x;
        EXPECT_EQ(read, passes % 2 == 1 ? all : 0u) << packs << " packs, " << blocks << " blocks, " << passes;
      }
      DeviceArray<uint32_t> to(words.size());
      to.poison();
      copy_memory(stream, {from.data(), to.data(), bytes}, blocks);
      stream.synchronize();
      EXPECT_EQ(to.read(), words) << packs << " packs, " << blocks << " blocks";
    }
  }
}

}  // namespace
}  // namespace photon::PHOTON_GPU
