// SPDX-License-Identifier: Apache-2.0
// Poison: what memory holds before anyone wrote to it, NaN in every float and bf16. A guard zone is memory
// around a variable that stays poisoned unless somebody writes out of bounds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace photon::emulation {

constexpr unsigned char poison = 0xff;

/// Offset of the first byte that is no longer poisoned; `bytes` (at least 1) if all are.
inline size_t first_written(const char* zone, size_t bytes) {
  const auto poisoned = [](char c) { return static_cast<unsigned char>(c) == poison; };
  // Equal to itself one byte on: all bytes are the first one.
  if (poisoned(zone[0]) && std::memcmp(zone, zone + 1, bytes - 1) == 0) return bytes;
  return static_cast<size_t>(std::find_if_not(zone, zone + bytes, poisoned) - zone);
}

}  // namespace photon::emulation
