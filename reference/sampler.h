// SPDX-License-Identifier: Apache-2.0
// From logits to a token: greedy, or temperature, top-k and top-p (Holtzman et al. 2020) with a random number
// that depends on seed, row and position alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/model/generation.h"

namespace photon::reference {

class Sampler {
 public:
  explicit Sampler(const Sampling& sampling) : sampling_(sampling) {}

  /// log-probabilities (V) of the unmodified distribution. Ties go to the lower id.
  int32_t sample(std::span<const double> log_probs, int64_t sequence, int64_t position) const;

 private:
  Sampling sampling_;
};

}  // namespace photon::reference
