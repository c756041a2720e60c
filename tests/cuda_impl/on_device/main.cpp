// SPDX-License-Identifier: Apache-2.0
// Runs the tests, or skips them all with a reason where there is no GPU. A GPU that cannot be used (a driver
// that is too old, another architecture) is a failure: someone meant to run them.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "cuda_impl/device/device.h"

namespace {

/// Empty if CUDA lists a GPU.
std::string no_device() {
  using namespace photon::cuda;
  int count = 0;
  const cudaError_t answer = cudaGetDeviceCount(&count);
  if (answer == cudaSuccess && count > 0) return "";
  int driver = 0;
  int runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (answer == cudaErrorInsufficientDriver && driver > 0) return "";
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return why_no_device(answer == cudaSuccess ? cudaErrorNoDevice : answer, driver, runtime,
                       visible == nullptr ? "" : visible);
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!::testing::GTEST_FLAG(list_tests)) {
    if (const std::string reason = no_device(); !reason.empty()) {
      std::printf("[  SKIPPED ] the GPU suite: %s\n", reason.c_str());
      return 0;
    }
    try {
      const photon::cuda::Device device;
    } catch (const std::exception& e) {
      std::printf("[  FAILED  ] the GPU suite: %s\n", e.what());
      return 1;
    }
  }
  return RUN_ALL_TESTS();
}
