// SPDX-License-Identifier: Apache-2.0
// CUDA's functions on single numbers that the C library lacks. Approximate ones are exact here: a kernel's
// tolerance has to hold on the device, where they are not.
#pragma once

#include <bit>
#include <climits>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace photon::emulated {

inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}
inline float __expf(float x) {
  return std::exp(x);
}
inline float __logf(float x) {
  return std::log(x);
}
inline float __log2f(float x) {
  return std::log2(x);
}
inline float __fdividef(float x, float y) {
  return x / y;
}
inline float __frcp_rn(float x) {
  return 1.0f / x;
}
inline float __fsqrt_rn(float x) {
  return std::sqrt(x);
}
/// The larger of two numbers, of a number and NaN the number: inline, where the C library's is a call.
inline float fmaxf(float x, float y) {
  return x > y || y != y ? x : y;
}
inline float __saturatef(float x) {
  return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f;
}
/// 2^x; results below the normal numbers are zero.
inline float fast_exp2(float x) {
  const float y = std::exp2(x);
  return y < 0x1p-126f ? 0.0f : y;
}

/// To the nearest integer, ties to even; out of range to the nearest int, NaN to 0.
inline int __float2int_rn(float x) {
  if (std::isnan(x)) return 0;
  if (x >= 0x1p31f) return INT_MAX;
  if (x <= -0x1p31f) return INT_MIN;
  return static_cast<int>(std::nearbyint(x));
}
inline int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
inline float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}

inline int __popc(unsigned x) {
  return std::popcount(x);
}
inline int __clz(int x) {
  return std::countl_zero(static_cast<unsigned>(x));
}
/// One plus the index of the lowest bit that is set, 0 if none is.
inline int __ffs(int x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1;
}
/// The upper half of the product.
inline unsigned __umulhi(unsigned x, unsigned y) {
  return static_cast<unsigned>(uint64_t{x} * y >> 32);
}

template <class T>
requires std::is_arithmetic_v<T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
requires std::is_arithmetic_v<T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}

/// Lanes run one at a time, so every access is atomic; the order is the schedule's.
template <class T>
requires std::integral<T> T atomicAdd(T* p, std::type_identity_t<T> x) {
  const T old = *p;
  *p = static_cast<T>(old + x);
  return old;
}
template <class T>
requires std::integral<T> T atomicMax(T* p, std::type_identity_t<T> x) {
  const T old = *p;
  if (old < x) *p = x;
  return old;
}
inline void __threadfence() {}
inline void __threadfence_block() {}

}  // namespace photon::emulated
