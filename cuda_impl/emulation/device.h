// SPDX-License-Identifier: Apache-2.0
// The host's twin of what cuda_impl/device.h takes from CUDA: the same words with a meaning in software
// (docs/emulation.md). Kernels include cuda_impl/device.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>

#include "cuda_impl/emulation/bf16.h"
#include "cuda_impl/emulation/block.h"
#include "cuda_impl/emulation/copy_async.h"
#include "cuda_impl/emulation/device_math.h"
#include "cuda_impl/emulation/keywords.h"
#include "cuda_impl/emulation/matrix.h"
#include "cuda_impl/emulation/shared_memory.h"
#include "cuda_impl/emulation/warp.h"

namespace photon::emulated {

template <class T, int N>
struct Pack;

template <class T, int N>
Pack<T, N> load_streaming(const T* p, std::source_location where = std::source_location::current()) {
  Pack<T, N> out;
  check_aligned(p, sizeof(out), where);
  std::memcpy(static_cast<void*>(&out), p, sizeof(out));
  return out;
}

/// Kernels run one after another, so there is nothing to wait for; that the kernel asks in time is checked.
inline void wait_for_previous_kernel() {
  emulation::wait_for_kernel_before();
}
inline void let_next_kernel_start() {}
/// Nothing that a program could see.
inline void prefetch_to_cache(const void*) {}

}  // namespace photon::emulated
