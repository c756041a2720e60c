// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/parameter_tiles.h"

#include <algorithm>

namespace photon::PHOTON_GPU {

std::vector<ParameterTile> parameter_tiles(std::span<const ParameterRange> ranges) {
  std::vector<ParameterTile> out;
  for (const ParameterRange& r : ranges) {
    for (int64_t i = 0; i < r.size; i += ParameterTile::most_elements) {
      const int64_t count = std::min<int64_t>(ParameterTile::most_elements, r.size - i);
      out.push_back({r.offset + i, r.place + i, static_cast<int32_t>(count), r.decay, r.trained});
    }
  }
  return out;
}

}  // namespace photon::PHOTON_GPU
