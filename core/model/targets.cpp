// SPDX-License-Identifier: Apache-2.0
#include "core/model/targets.h"

namespace photon {

std::vector<int32_t> shifted_targets(const ModelSpec& spec, std::span<const int32_t> ids, int64_t length) {
  const int64_t shift = spec.target_shift();
  std::vector<int32_t> out(ids.size(), -1);
  for (int64_t r = 0; r < std::ssize(out); ++r) {
    const int64_t predicted = r % length + shift;
    if (predicted > 0 && predicted < length) out[r] = ids[r + shift];
  }
  return out;
}

}  // namespace photon
