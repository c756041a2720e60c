// SPDX-License-Identifier: Apache-2.0
// All that a training pass needs of a batch besides the model, made on the host while the device is at the
// batch before.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/model/model_spec.h"
#include "cuda_impl/kernels/embed_backward.h"

namespace photon::PHOTON_GPU {

struct PreparedBatch {
  int64_t length = 0;            ///< T
  std::vector<int32_t> ids;      ///< (B, T)
  std::vector<int32_t> targets;  ///< (B, T): the token that a row of Xhat^(0) is to predict, -1: none
  TokenPlaces encoded;           ///< of all tokens; empty in a vanilla model
  TokenPlaces fed;               ///< of those that go into the lowest decoder

  /// of: rows of so many tokens. Throws Error if one is outside the vocabulary.
  PreparedBatch(const ModelSpec& spec, std::span<const int32_t> of, int64_t tokens);
};

}  // namespace photon::PHOTON_GPU
