// SPDX-License-Identifier: Apache-2.0
// bfloat16 on the host: storage, and the two conversions that kernels use. As with CUDA's own type, a
// variable of it is uninitialised.
#pragma once

#include <bit>
#include <cstdint>

namespace photon::emulated {

struct bf16 {
  uint16_t bits;
};

inline float to_float(bf16 x) {
  return std::bit_cast<float>(uint32_t{x.bits} << 16);
}

/// To nearest, ties to even; every NaN becomes CUDA's.
inline bf16 to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  const uint32_t rounding = 0x7fffu + ((bits >> 16) & 1u);
  return {static_cast<uint16_t>((bits + rounding) >> 16)};
}

}  // namespace photon::emulated
