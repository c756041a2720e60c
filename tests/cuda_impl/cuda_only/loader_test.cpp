// SPDX-License-Identifier: Apache-2.0
// Libraries of the CUDA installation and the driver that are loaded when they are needed. No GPU is.
#include <gtest/gtest.h>

#include "core/base/error.h"
#include "cuda_impl/device/blas.h"
#include "cuda_impl/device/cuda_only/nvml.h"
#include "cuda_impl/device/cuda_only/shared_library.h"

namespace photon::cuda {
namespace {

template <class F>
std::string error_of(F&& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(SharedLibrary, SaysWhatWasTriedAndWhatHelps) {
  const std::string said = error_of([] {
    SharedLibrary library({"libno-such.so.1", "/nowhere/libno-such.so.1"}, "install it");
  });
  for (const char* part : {"cannot load libno-such.so.1", "install it", "/nowhere/libno-such.so.1"}) {
    EXPECT_NE(said.find(part), std::string::npos) << said;
  }
}

TEST(SharedLibrary, FindsTheFirstThatIsThere) {
  const SharedLibrary library({"libno-such.so.1", "libc.so.6"}, "");
  EXPECT_EQ(library.function<int(const char*)>("atoi")("42"), 42);
  const std::string said = error_of([&] { library.function<void()>("no_such_function"); });
  EXPECT_NE(said.find("libc.so.6 has no function no_such_function"), std::string::npos) << said;
}

TEST(Cublaslt, IsTheVersionThisWasBuiltFor) {
  try {
    cublasLtGetVersion();
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  EXPECT_EQ(cublasLtGetVersion() / 10000, static_cast<size_t>(CUBLAS_VER_MAJOR));
  EXPECT_STRNE(cublasLtGetStatusString(CUBLAS_STATUS_NOT_SUPPORTED), "");
}

TEST(Nvml, ReasonsInWords) {
  EXPECT_EQ(clock_reasons(0), "");
  EXPECT_EQ(clock_reasons(1), "") << "idle is no reason to complain";
  EXPECT_EQ(clock_reasons(0x4), "power limit");
  EXPECT_EQ(clock_reasons(0x24), "power limit, temperature");
}

}  // namespace
}  // namespace photon::cuda
