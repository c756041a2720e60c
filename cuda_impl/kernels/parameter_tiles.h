// SPDX-License-Identifier: Apache-2.0
// The parameters of a model cut into tiles of bounded size, each of one parameter: what the optimizer's
// kernels give to a block.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// One parameter in the flat float arrays and in the bf16 weights.
struct ParameterRange {
  int64_t offset = 0;  ///< first element in the flat arrays
  int64_t size = 0;
  int64_t place = 0;  ///< first element in the bf16 weights
  bool decay = false;
  bool trained = true;
};

struct ParameterTile {
  static constexpr int32_t most_elements = 8192;

  int64_t offset = 0;
  int64_t place = 0;
  int32_t count = 0;
  bool decay = false;
  bool trained = true;
};

std::vector<ParameterTile> parameter_tiles(std::span<const ParameterRange> ranges);

}  // namespace photon::PHOTON_GPU
