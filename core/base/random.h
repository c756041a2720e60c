// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011): a number is a function of its key and
// counter, so that a sample at (seed, row, position) is the same whatever ran before it, on any device, in
// any batch.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace photon {

class Philox {
 public:
  explicit Philox(uint64_t key) : key_{static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)} {}

  /// Four independent 32-bit words for counter (high, low).
  std::array<uint32_t, 4> operator()(uint64_t high, uint64_t low) const {
    std::array<uint32_t, 4> c{static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32),
                              static_cast<uint32_t>(high), static_cast<uint32_t>(high >> 32)};
    uint32_t k0 = key_[0];
    uint32_t k1 = key_[1];
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * c[0];
      const uint64_t p1 = uint64_t{0xCD9E8D57u} * c[2];
      c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
           static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return c;
  }

  /// Uniform in [0, 1) with 53 bits.
  double uniform(uint64_t high, uint64_t low) const {
    const auto w = (*this)(high, low);
    return static_cast<double>((uint64_t{w[0]} << 32 | w[1]) >> 11) * 0x1.0p-53;
  }

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
  std::array<uint32_t, 2> key_;
};

/// FNV-1a: a stable 64-bit hash of a name, for streams and splits.
inline uint64_t stable_hash(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char ch : text) h = (h ^ static_cast<unsigned char>(ch)) * 0x100000001b3u;
  return h;
}

}  // namespace photon
