// SPDX-License-Identifier: Apache-2.0
// What belongs to the process, not to a stream, is shared by all of them.
#include "cuda_impl/device/stream.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "cuda_impl/device/device_array.h"
#include "cuda_impl/kernels/gemv.h"

namespace photon::PHOTON_GPU {
namespace {

// The same kernel with more than 48 KiB of shared memory, more of it, and less again, in whichever stream.
TEST(Stream, AllowsAKernelItsSharedMemoryWhateverOthersAskFor) {
  constexpr int32_t rows = 7;
  constexpr int32_t out_width = 16;
  constexpr int32_t least = 4096;
  constexpr int32_t most = 6656;
  const DeviceArray<bf16> x(std::vector<bf16>(size_t{rows} * most, to_bf16(0.5f)));
  const DeviceArray<bf16> weight(std::vector<bf16>(size_t{out_width} * most, to_bf16(0.25f)));
  const DeviceArray<float> out(size_t{rows} * out_width);
  Stream streams[2];
  const auto expect_product = [&](int stream, int32_t in) {
    gemv(streams[stream], "product",
         {.x = x.data(),
          .x_stride = in,
          .weight = weight.data(),
          .out_float = out.data(),
          .out_stride = out_width,
          .rows = rows,
          .in = in,
          .out_width = out_width});
    streams[stream].synchronize();
    for (const float v : out.read()) ASSERT_EQ(v, 0.125f * static_cast<float>(in));
  };
  for (const auto& [stream, in] : {std::pair{0, most}, {1, least}, {0, most}, {1, most}, {0, least}}) {
    SCOPED_TRACE(testing::Message() << "stream " << stream << ", " << in << " elements");
    expect_product(stream, in);
  }
  Stream late;
  gemv(late, "product",
       {.x = x.data(),
        .x_stride = least,
        .weight = weight.data(),
        .out_float = out.data(),
        .out_stride = out_width,
        .rows = rows,
        .in = least,
        .out_width = out_width});
  late.synchronize();
  expect_product(0, most);
}

}  // namespace
}  // namespace photon::PHOTON_GPU
