// SPDX-License-Identifier: Apache-2.0
// The arithmetic behind the emulated cublasLtMatmul, on matrices given by their strides.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda_impl/emulation/cublaslt.h"

namespace photon::emulation {

/// A matrix, or one of a batch, in device memory.
struct StridedMatrix {
  const void* data;
  emulated::cudaDataType type;
  int64_t row_stride;     ///< elements
  int64_t column_stride;  ///< elements
};

struct MatmulProblem {
  int64_t m, n, k;
  StridedMatrix a;   ///< (m, k)
  StridedMatrix b;   ///< (k, n)
  StridedMatrix c;   ///< (m, n), read if beta is not 0
  StridedMatrix d;   ///< (m, n), written
  const void* bias;  ///< (m) of d's type, or null
  float alpha, beta;
  int64_t splits = 1;         ///< parts of K that are summed apart
  bool rounds_parts = false;  ///< each part's sum, and the sum of those so far, to d's type
};

/// d = alpha · a · b + beta · c + bias, accumulated in float.
void matmul(const MatmulProblem& problem);

}  // namespace photon::emulation
