// SPDX-License-Identifier: Apache-2.0
// Parameters of odd sizes at odd places, for the cases of what the optimizer launches.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuda_impl/kernels/parameter_tiles.h"

namespace photon::PHOTON_GPU {

struct ParameterShape {
  std::vector<int64_t> sizes;  ///< every third parameter is not trained, every other one decays
  int64_t gap = 0;             ///< between parameters in the bf16 weights
  bool large = false;
};

inline std::vector<ParameterShape> parameter_shapes() {
  return {{{1}},
          {{8, 12, 4, 16}, 4},
          {{5, 13, 3, 30, 7}, 1},
          {{8192 + 3, 40, 9, 8192, 100}, 6},
          {{20000, 4}},
          {{int64_t{8192} * 1664, 1664, 1664, int64_t{8192} * 1664}, 0, true}};
}

inline std::string name_of(const ParameterShape& p) {
  std::string name = "sizes=";
  for (const int64_t size : p.sizes) name += std::to_string(size) + ",";
  return name + " gap=" + std::to_string(p.gap);
}

inline std::vector<ParameterRange> ranges_of(const ParameterShape& p) {
  std::vector<ParameterRange> out;
  int64_t offset = 0;
  int64_t place = 0;
  for (size_t i = 0; i < p.sizes.size(); ++i) {
    out.push_back({offset, p.sizes[i], place, i % 2 == 0, i % 3 != 2});
    offset += p.sizes[i];
    place += p.sizes[i] + p.gap;
  }
  return out;
}

}  // namespace photon::PHOTON_GPU
