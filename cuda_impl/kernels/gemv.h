// SPDX-License-Identifier: Apache-2.0
// Products of a few rows with a matrix, out = f(x) Wᵀ: at these sizes the weights are all that moves. One
// warp makes a column of all rows; norm, bias, SwiGLU and residual are folded in, so that a layer is five
// launches.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct Gemv {
  static constexpr int64_t most_rows = 8;

  const bf16* x = nullptr;  ///< row r at x + r · x_stride, `in` elements
  int64_t x_stride = 0;
  /// (in): x is first divided by its root mean square and scaled; null: as it is
  const bf16* gain = nullptr;
  float eps = 0.0f;
  const bf16* weight = nullptr;  ///< (out, in); with `swiglu` (2 · out, in): gate, then up
  const bf16* bias = nullptr;    ///< (out) or null
  bool swiglu = false;           ///< out = silu(gate) · up
  bool accumulate = false;       ///< adds to what is in `out` (bf16)
  bf16* out = nullptr;           ///< row r at out + r · out_stride, or
  float* out_float = nullptr;    ///< unrounded
  int64_t out_stride = 0;
  int32_t rows = 0;  ///< 1 .. most_rows
  int32_t in = 0;
  int32_t out_width = 0;
};

/// Bytes of shared memory: x of all rows is held there. A launch beyond the device's limit is refused.
size_t gemv_shared_bytes(const Gemv& a);
Work gemv_work(const Gemv& a);
/// `op` names the launch: "qkv", "head", ...
void gemv(Stream& stream, const char* op, const Gemv& a);

}  // namespace photon::PHOTON_GPU
