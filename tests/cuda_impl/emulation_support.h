// SPDX-License-Identifier: Apache-2.0
// Launches and seeds for the tests of the emulator.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "cuda_impl/device.h"
#include "cuda_impl/device/device_array.h"
#include "cuda_impl/emulation/sanitizer.h"
#include "cuda_impl/host.h"
#include "tests/support.h"

namespace photon::emulated {

using photon::testing::holds;
using photon::testing::test_seed;

struct Extents {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
};

/// Starts kernel(arguments...) in the stream 0; the runtime's answer.
template <class... P, class... A>
cudaError_t start(const Extents& extents, void (*kernel)(P...), const A&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = extents.grid;
  config.blockDim = extents.block;
  config.dynamicSmemBytes = extents.shared_bytes;
  return cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
}

/// What `work` complains of, empty if it does not.
template <class Work>
std::string complaint(const Work& work) {
  try {
    work();
  } catch (const EmulationError& error) {
    return error.what();
  }
  return {};
}

}  // namespace photon::emulated

/// A touch of forbidden memory: AddressSanitizer ends the program at the access; without it the launch throws
/// afterwards, saying `text`.
#define EXPECT_FORBIDDEN(statement, text)                        \
  do {                                                           \
    if constexpr (::photon::emulation::address_sanitizer) {      \
      EXPECT_DEATH(statement, "use-after-poison");               \
    } else {                                                     \
      EXPECT_TRUE(holds(complaint([&] { statement; }), {text})); \
    }                                                            \
  } while (false)
