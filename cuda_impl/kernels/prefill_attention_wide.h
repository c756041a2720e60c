// SPDX-License-Identifier: Apache-2.0
// Prefill attention of heads above 128, which the paper's models do not have: right, not fast.
#pragma once

#include "cuda_impl/kernels/prefill_attention.h"

namespace photon::PHOTON_GPU {

/// Heads up to 256.
void prefill_attention_wide(Stream& stream, const PrefillAttention& a);

}  // namespace photon::PHOTON_GPU
