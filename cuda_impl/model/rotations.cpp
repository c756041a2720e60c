// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/model/rotations.h"

#include <cmath>

namespace photon::PHOTON_GPU {

std::vector<float> rotation_table(int64_t positions, int64_t head_size, double theta) {
  const int64_t half = head_size / 2;
  std::vector<float> out;
  out.reserve(positions * head_size);
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(p) * std::pow(theta, -static_cast<double>(i) / static_cast<double>(half));
      out.push_back(static_cast<float>(std::cos(angle)));
      out.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  return out;
}

}  // namespace photon::PHOTON_GPU
