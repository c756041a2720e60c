// SPDX-License-Identifier: Apache-2.0
// Which algorithms cuBLASLt may choose: none that splits K, whatever it would prefer.
#include "cuda_impl/model/matmul.h"

#include <gtest/gtest.h>

#include "cuda_impl/device/device_array.h"

namespace photon::PHOTON_GPU {
namespace {

/// What the library chooses from here on; a GPU's has its own mind.
void choose_by([[maybe_unused]] uint64_t seed) {
#ifndef PHOTON_CUDA
  set_emulation_seed(seed);
#endif
}

// 256 + 1 - 256 in a row: the first part's sum, 257, is no bf16.
TEST(Matmul, SumsNoPartsInBf16) {
  Stream stream;
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    choose_by(seed);
    Matmul matmul;
    for (const int64_t in : {24, 128, 1664}) {
      std::vector<bf16> values(static_cast<size_t>(in), to_bf16(0.0f));
      values[0] = to_bf16(256.0f);
      values[1] = to_bf16(1.0f);
      values[static_cast<size_t>(in) - 1] = to_bf16(-256.0f);
      const DeviceArray<bf16> x(values);
      const DeviceArray<bf16> weight(std::vector<bf16>(static_cast<size_t>(in), to_bf16(1.0f)));
      const DeviceArray<bf16> out(1);
      matmul(stream, "product",
             Product{.x = x.data(),
                     .x_stride = in,
                     .weight = weight.data(),
                     .out = out.data(),
                     .out_stride = 1,
                     .rows = 1,
                     .in = in,
                     .out_width = 1});
      stream.synchronize();
      EXPECT_EQ(to_float(out.read()[0]), 1.0f) << in << " elements, seed " << seed;
    }
  }
  choose_by(1);
}

TEST(Matmul, PlansNameAlgorithmAndSplit) {
  Stream stream;
  Matmul matmul;
  const DeviceArray<bf16> x(std::vector<bf16>(40, to_bf16(1.0f)));
  const DeviceArray<float> out(5);
  matmul(stream, "product",
         Product{.x = x.data(),
                 .x_stride = 8,
                 .weight = x.data(),
                 .out_float = out.data(),
                 .out_stride = 1,
                 .rows = 5,
                 .in = 8,
                 .out_width = 1});
  const std::vector<std::string> plans = Matmul::plans();
  const auto ours = std::find_if(plans.begin(), plans.end(), [](const std::string& line) {
    return line.find(": 1 x 5 x 8 a tr") != std::string::npos;
  });
  ASSERT_NE(ours, plans.end());
  EXPECT_NE(ours->find(": algorithm "), std::string::npos) << *ours;
  for (const std::string& line : plans) {
    EXPECT_NE(line.find(", split 1, reduction 0,"), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace photon::PHOTON_GPU
