// SPDX-License-Identifier: Apache-2.0
// The driver's management library (NVML): clocks, power and what holds them back. It comes with the driver;
// the toolkit's header need not be there, so what is called is declared here.
#pragma once

#include <memory>
#include <string>

#include "cuda_impl/device/cuda_only/shared_library.h"
#include "cuda_impl/device/device.h"

namespace photon::cuda {

class Nvml {
 public:
  /// Of CUDA's device 0, which need not be the first that NVML counts. Where the library is absent (a
  /// container without it) or refuses, there is nothing to tell and everything below is zero or empty.
  Nvml();
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  Device::State state() const;
  std::string driver_version() const;

 private:
  struct Library;
  std::unique_ptr<Library> library_;  ///< null: nothing to tell
};

/// Opened at the first call.
const Nvml& nvml();

/// NVML's bits in words: "power limit, temperature"; "" for those that hold nothing back.
std::string clock_reasons(unsigned long long bits);

}  // namespace photon::cuda
