// SPDX-License-Identifier: Apache-2.0
// A double sum of floats in a fixed order: of the losses of rows.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct Sum {
  const float* values = nullptr;
  int64_t count = 0;
  double* workspace = nullptr;  ///< sum_workspace(count) elements
  double* sum = nullptr;        ///< one; set
};

/// Elements.
int64_t sum_workspace(int64_t count);
/// Of both launches.
Work sum_work(const Sum& a);
void sum(Stream& stream, const Sum& a);

}  // namespace photon::PHOTON_GPU
