// SPDX-License-Identifier: Apache-2.0
// Where a sampled token goes, and its writing there.
#pragma once

#include <cstdint>

#include "cuda_impl/kernels/sample.h"

namespace photon::PHOTON_GPU {

struct SamplePlace {
  int64_t row = 0;
  int64_t position = -1;  ///< in the row's text; -1: the row is idle

  __device__ SamplePlace(const Sample& a, int64_t sample) {
    const int64_t entry = sample / a.count;
    row = a.row_of == nullptr ? entry : a.row_of[entry];
    const int32_t start = a.rows.start[row];
    if (start >= 0) position = start + a.first + sample % a.count * a.step;
  }
  __device__ bool given(const Sample& a) const { return position < a.rows.known[row]; }
  __device__ int32_t token(const Sample& a) const { return a.rows.tokens[row * a.rows.capacity + position]; }
  __device__ void write(const Sample& a, int32_t token, float log_prob) const {
    a.rows.tokens[row * a.rows.capacity + position] = token;
    a.rows.log_probs[row * a.rows.capacity + position] = log_prob;
  }
};

}  // namespace photon::PHOTON_GPU
