// Softmax of scores / sqrt(head size) in powers of two: exp(x) is one instruction as 2^(x log2 e).
#pragma once

#include <cmath>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

inline float softmax_scale(int head_size) {
  constexpr double log2_e = 1.4426950408889634;
  return static_cast<float>(log2_e / std::sqrt(static_cast<double>(head_size)));
}

}  // namespace photon::PHOTON_GPU
