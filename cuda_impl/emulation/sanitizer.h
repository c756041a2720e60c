// SPDX-License-Identifier: Apache-2.0
// Whether AddressSanitizer watches this build, and the marks that tell it which bytes nobody may touch.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define PHOTON_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PHOTON_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef PHOTON_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace photon::emulation {

#ifdef PHOTON_ADDRESS_SANITIZER
inline constexpr bool address_sanitizer = true;
inline void forbid(const void* p, size_t bytes) {
  __asan_poison_memory_region(p, bytes);
}
inline void permit(const void* p, size_t bytes) {
  __asan_unpoison_memory_region(p, bytes);
}
#else
inline constexpr bool address_sanitizer = false;
inline void forbid(const void*, size_t) {}
inline void permit(const void*, size_t) {}
#endif

}  // namespace photon::emulation
