// SPDX-License-Identifier: Apache-2.0
// The CSV library's buffer of 48 MiB, allocated once for all inputs: under AddressSanitizer a fresh one takes
// twenty milliseconds. Replaces operator new[], so a program includes it once.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace photon::testing {

inline constexpr size_t large_buffer = size_t{16} << 20;
inline void* kept_buffer = nullptr;
inline size_t kept_bytes = 0;
inline bool kept_is_lent = false;

}  // namespace photon::testing

void* operator new[](size_t bytes) {
  using namespace photon::testing;
  const bool keep = bytes >= large_buffer && !kept_is_lent;
  if (keep && kept_bytes == bytes) {
    kept_is_lent = true;
    return kept_buffer;
  }
  void* const buffer = std::malloc(bytes == 0 ? 1 : bytes);
  if (buffer == nullptr) throw std::bad_alloc();
  if (keep && kept_buffer == nullptr) {
    kept_buffer = buffer;
    kept_bytes = bytes;
    kept_is_lent = true;
  }
  return buffer;
}

void operator delete[](void* buffer) noexcept {
  using namespace photon::testing;
  if (buffer != nullptr && buffer == kept_buffer) {
    kept_is_lent = false;
  } else {
    std::free(buffer);
  }
}

void operator delete[](void* buffer, size_t /*bytes*/) noexcept {
  operator delete[](buffer);
}
