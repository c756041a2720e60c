// SPDX-License-Identifier: Apache-2.0
// The gradient of SwiGLU (swiglu.h). With h = sigmoid(gate): d_up = d · gate h,
// d_gate = d · up h (1 + gate (1 - h)).
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

struct SwigluBackward {
  const bf16* gate_up = nullptr;  ///< (rows, 2 · ffn)
  const bf16* d_out = nullptr;    ///< (rows, ffn)
  bf16* d_gate_up = nullptr;      ///< (rows, 2 · ffn); may be `gate_up`
  int64_t rows = 0;
  int32_t ffn = 0;
};

Work swiglu_backward_work(const SwigluBackward& a);
void swiglu_backward(Stream& stream, const SwigluBackward& a);

}  // namespace photon::PHOTON_GPU
