// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011): a number is a function of its key and
// counter, so that a sample at (seed, row, position) is the same whatever ran before it, on any device, in
// any batch.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

#include "core/base/philox.h"

namespace photon {

class Philox {
 public:
  explicit Philox(uint64_t key) : key_(key) {}

  /// Four independent 32-bit words for counter (high, low).
  std::array<uint32_t, 4> operator()(uint64_t high, uint64_t low) const {
    const PhiloxWords w = philox(key_, high, low);
    return {w.word[0], w.word[1], w.word[2], w.word[3]};
  }

  /// Uniform in [0, 1) with 53 bits.
  double uniform(uint64_t high, uint64_t low) const { return philox_uniform(key_, high, low); }

  /// Two independent standard normals (Box-Muller).
  std::array<double, 2> normals(uint64_t high, uint64_t low) const {
    const auto w = (*this)(high, low);
    const double u = (static_cast<double>((uint64_t{w[0]} << 32 | w[1]) >> 11) + 0.5) * 0x1.0p-53;
    const double v = static_cast<double>((uint64_t{w[2]} << 32 | w[3]) >> 11) * 0x1.0p-53;
    const double radius = std::sqrt(-2.0 * std::log(u));
    const double angle = 2.0 * std::numbers::pi * v;
    return {radius * std::cos(angle), radius * std::sin(angle)};
  }

 private:
  uint64_t key_;
};

/// FNV-1a: a stable 64-bit hash of a name, for streams and splits.
inline uint64_t stable_hash(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char ch : text) h = (h ^ static_cast<unsigned char>(ch)) * 0x100000001b3u;
  return h;
}

}  // namespace photon
