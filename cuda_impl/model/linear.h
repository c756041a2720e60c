// SPDX-License-Identifier: Apache-2.0
// Products with a weight matrix, whatever the number of rows: the matrix-vector kernel with norm, SwiGLU and
// residual folded in below the crossover, norm, cuBLASLt and SwiGLU one after another above it.
#pragma once

#include <cstdint>

#include "cuda_impl/kernels/gemv.h"
#include "cuda_impl/model/matmul.h"

namespace photon::PHOTON_GPU {

struct Linear {
  const bf16* x = nullptr;  ///< row r at x + r · x_stride, `in` elements
  int64_t x_stride = 0;
  const bf16* gain = nullptr;    ///< (in): RMSNorm before the product; null: none
  const bf16* weight = nullptr;  ///< (out, in); with `swiglu` (2 · out, in)
  const bf16* bias = nullptr;
  bool swiglu = false;
  bool accumulate = false;
  bf16* out = nullptr;  ///< or `out_float`
  float* out_float = nullptr;
  int64_t out_stride = 0;
  int64_t rows = 0;
  int64_t in = 0;
  int64_t out_width = 0;
};

/// Where intermediate rows lie above the crossover.
struct LinearScratch {
  bf16* normed = nullptr;   ///< (rows, widest `in` of a product with a norm)
  bf16* gate_up = nullptr;  ///< (rows, 2 · widest ffn)
};

class Linears {
 public:
  /// gemv_rows: up to so many rows go to the matrix-vector kernel.
  Linears(float eps, int64_t gemv_rows);

  void operator()(Stream& stream, const char* op, const Linear& a, const LinearScratch& scratch);
  bool uses_gemv(const Linear& a) const;
  Matmul& matmul() { return matmul_; }

 private:
  Matmul matmul_;
  float eps_;
  int64_t gemv_rows_;
};

}  // namespace photon::PHOTON_GPU
