// SPDX-License-Identifier: Apache-2.0
// photon floor --alternatives: what else shrinks a cache, beside PHOTON, for one size of model.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model/model_spec.h"

namespace photon {

struct FloorAlternatives {
  ModelSpec base;
  std::vector<int64_t> contexts;  ///< tokens
  int64_t element_bytes = 2;
  bool json = false;
};

/// Prints. Throws UsageError on a context out of range, Error on a spec that is no base.
void floor_alternatives(const FloorAlternatives& request);

}  // namespace photon
