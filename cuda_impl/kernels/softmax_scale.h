// SPDX-License-Identifier: Apache-2.0
// Softmax of scores / sqrt(head size) in powers of two: exp(x) is one instruction as 2^(x log2 e).
#pragma once

#include <cmath>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

inline float softmax_scale(int head_size) {
  constexpr double log2_e = 1.4426950408889634;
  return static_cast<float>(log2_e / std::sqrt(static_cast<double>(head_size)));
}

/// Natural logarithm of sum · 2^power.
__host__ __device__ inline float log_of_powers(float power, float sum) {
  constexpr float ln_2 = 0.6931471805599453f;
  return ln_2 * (power + log2f(sum));
}

}  // namespace photon::PHOTON_GPU
