// SPDX-License-Identifier: Apache-2.0
// Division by a number that the host knows: a multiplication and a shift instead of some twenty instructions.
#pragma once

#include <cstdint>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// Of 0 .. 2^31 - 1 by 1 .. 2^31 - 1.
class FastDivision {
 public:
  explicit FastDivision(uint32_t divisor) : divisor_(divisor) {
    while ((uint64_t{1} << bits_) < divisor) ++bits_;
    // Rounded up by less than 1: x · multiplier / 2^(31 + bits) exceeds x / divisor by less than
    // 2^31 / 2^(31 + bits) <= 1 / divisor, which never reaches the next whole number.
    multiplier_ = static_cast<uint32_t>(((uint64_t{1} << (31 + bits_)) + divisor - 1) / divisor);
  }

  __host__ __device__ uint32_t quotient(uint32_t x) const {
    return static_cast<uint32_t>(uint64_t{x} * multiplier_ >> (31 + bits_));
  }
  __host__ __device__ uint32_t divisor() const { return divisor_; }

 private:
  uint32_t divisor_;
  uint32_t multiplier_ = 0;
  uint32_t bits_ = 0;
};

}  // namespace photon::PHOTON_GPU
