// SPDX-License-Identifier: Apache-2.0
// One layer's growing KV cache as kernels see it. A (sequence, head) is one contiguous stream of units, which
// is how decoding reads it. Samples of one prompt share the units that prefill wrote.
#pragma once

#include <cstdint>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// Which earlier units a unit sees: itself and those from first(unit) on (design, `encoder_window`).
struct VisibleUnits {
  int32_t window = 0;  ///< > 0: at most so many units, itself included
  int32_t block = 0;   ///< > 0: only units of its own block of so many; both 0: all

  __host__ __device__ int32_t first(int32_t unit) const {
    if (block > 0) return unit / block * block;
    return window > 0 && unit >= window ? unit - window + 1 : 0;
  }
};

struct CacheView {
  bf16* k = nullptr;  ///< (sequences, kv_heads, capacity, head_size)
  bf16* v = nullptr;  ///< the same
  int32_t capacity = 0;
  bool ring = false;  ///< unit u lies at u % capacity, else at u - first_unit

  __host__ __device__ int32_t slot(int32_t unit, int32_t first_unit) const {
    return ring ? unit % capacity : unit - first_unit;
  }
};

/// What the samples of a prompt share: units [first, first + count) of prompt p, written by prefill. In the
/// rows' own caches unit `first + count` comes first. Null `k`: nothing is shared.
struct SharedPrefix {
  CacheView cache;                 ///< (prompts, kv_heads, capacity, head_size), no ring
  const int32_t* first = nullptr;  ///< (prompts)
  const int32_t* count = nullptr;  ///< (prompts)
  int32_t samples = 1;             ///< row r continues prompt r / samples
};

}  // namespace photon::PHOTON_GPU
