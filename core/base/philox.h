// SPDX-License-Identifier: Apache-2.0
// Philox 4x32-10 (Salmon et al. 2011), for host and device: a number is a function of its key and counter
// alone.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define PHOTON_HOST_AND_DEVICE __host__ __device__
#else
#define PHOTON_HOST_AND_DEVICE
#endif

namespace photon {

struct PhiloxWords {
  uint32_t word[4];
};

/// Four independent 32-bit words for counter (high, low) under `key`.
PHOTON_HOST_AND_DEVICE inline PhiloxWords philox(uint64_t key, uint64_t high, uint64_t low) {
  PhiloxWords c{{static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32), static_cast<uint32_t>(high),
                 static_cast<uint32_t>(high >> 32)}};
  auto k0 = static_cast<uint32_t>(key);
  auto k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c.word[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c.word[2];
    c = {{static_cast<uint32_t>(p1 >> 32) ^ c.word[1] ^ k0, static_cast<uint32_t>(p1),
          static_cast<uint32_t>(p0 >> 32) ^ c.word[3] ^ k1, static_cast<uint32_t>(p0)}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

/// Uniform in [0, 1) with 53 bits.
PHOTON_HOST_AND_DEVICE inline double philox_uniform(uint64_t key, uint64_t high, uint64_t low) {
  const PhiloxWords w = philox(key, high, low);
  return static_cast<double>((uint64_t{w.word[0]} << 32 | w.word[1]) >> 11) * 0x1.0p-53;
}

}  // namespace photon
