// SPDX-License-Identifier: Apache-2.0
// cp.async: copies from global to shared memory that happen when their group is waited for. Until then the
// destination is poisoned, so that a missing wait shows.
#pragma once

#include <cstdint>
#include <source_location>

#include "cuda_impl/emulation/block.h"

namespace photon::emulation {

void start_copy(void* shared, const void* global, uint32_t bytes, bool valid,
                const std::source_location& where);
/// Carries out the running lane's groups but for the latest `under_way` ones.
void finish_copies(uint32_t under_way);

}  // namespace photon::emulation

namespace photon::emulated {

template <int Bytes>
void copy_async(void* shared, const void* global, bool valid = true,
                std::source_location where = std::source_location::current()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
  emulation::start_copy(shared, global, Bytes, valid, where);
}

inline void copy_async_commit() {
  ++emulation::running_lane->open_group;
}

template <int N>
void copy_async_wait() {
  emulation::finish_copies(N);
}

}  // namespace photon::emulated
