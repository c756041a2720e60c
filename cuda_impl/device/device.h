// SPDX-License-Identifier: Apache-2.0
// The GPU that everything runs on: the first that CUDA lists (CUDA_VISIBLE_DEVICES chooses among several).
// Opening it says in a sentence what is missing where it cannot be used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cuda_impl/host.h"

namespace photon::PHOTON_GPU {

class Device {
 public:
  /// Throws Error: no driver, one too old, no GPU, a GPU that the kernels were not compiled for, no memory.
  Device();

  const std::string& name() const { return name_; }
  int multiprocessors() const { return multiprocessors_; }
  int64_t memory_bytes() const { return memory_bytes_; }
  int64_t memory_in_use() const;                        ///< by all processes on it
  int64_t cache_bytes() const { return cache_bytes_; }  ///< of the last level

  /// What changes while it runs; zero and empty where the driver does not tell, and in emulation.
  struct State {
    double clock_mhz = 0.0;  ///< of the multiprocessors
    double memory_clock_mhz = 0.0;
    double power_watts = 0.0;
    double power_limit_watts = 0.0;
    std::string held_back_by;  ///< "power limit, temperature": why the clock is not at its highest
  };
  State state() const;
  std::string driver_version() const;  ///< "580.65.06", "" where it does not tell

 private:
  std::string name_;
  int multiprocessors_ = 0;
  int64_t memory_bytes_ = 0;
  int64_t cache_bytes_ = 0;
};

/// Why there is no GPU to run on, from what cudaGetDeviceCount answered. Versions as CUDA counts them, 13000
/// for 13.0; driver 0: there is none.
std::string why_no_device(cudaError_t answer, int driver_version, int runtime_version,
                          std::string_view visible_devices);

/// Whether kernels compiled for these architectures ("90a;100") run on a GPU of this compute capability: code
/// for 9.0 runs on any 9.x, 90a on 9.0 alone, 100f on any later 10.x.
bool compiled_for(std::string_view architectures, int major, int minor);

}  // namespace photon::PHOTON_GPU
