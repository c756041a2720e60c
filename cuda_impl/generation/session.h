// SPDX-License-Identifier: Apache-2.0
// Everything that graphs are recorded with: a request of an equal session finds its memory laid out and its
// graphs ready.
#pragma once

#include <cstdint>

#include "core/model/decode_plan.h"
#include "cuda_impl/generation/generation_plan.h"

namespace photon::PHOTON_GPU {

struct Session {
  DecodePlan decode;
  GenerationPlan plan;
  Sampling sampling;
  int64_t first_sequence = 0;
  bool operator==(const Session&) const = default;
};

}  // namespace photon::PHOTON_GPU
