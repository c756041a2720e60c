// SPDX-License-Identifier: Apache-2.0
// RMSNorm and SiLU on the host, in float as a kernel without thought would compute it and in double.
#pragma once

#include <cmath>
#include <vector>

#include "cuda_impl/device/repeated_array.h"

namespace photon::PHOTON_GPU {

/// The row that begins at x[at], as wide as `gain`.
template <class S>
std::vector<S> normed(const RepeatedValues& x, size_t at, const RepeatedValues& gain, float eps) {
  std::vector<S> out(gain.size());
  S sum = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<S>(x[at + i]);
    sum += out[i] * out[i];
  }
  const S scale = S{1} / std::sqrt(sum / static_cast<S>(out.size()) + static_cast<S>(eps));
  for (size_t i = 0; i < out.size(); ++i) out[i] *= scale * static_cast<S>(gain[i]);
  return out;
}

template <class S>
S silu_on_host(S x) {
  return x / (S{1} + std::exp(-x));
}

}  // namespace photon::PHOTON_GPU
