// SPDX-License-Identifier: Apache-2.0
// SwiGLU (Shazeer 2020): silu(gate) · up from one projection's rows [gate | up].
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct Swiglu {
  const bf16* gate_up = nullptr;  ///< (rows, 2 · ffn)
  bf16* out = nullptr;            ///< (rows, ffn)
  int64_t rows = 0;
  int32_t ffn = 0;
};

Work swiglu_work(const Swiglu& a);
void swiglu(Stream& stream, const Swiglu& a);

/// x · sigmoid(x)
__device__ inline float silu(float x) {
  return x / (1.0f + expf(-x));
}

}  // namespace photon::PHOTON_GPU
