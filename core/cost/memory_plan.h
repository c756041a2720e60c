// SPDX-License-Identifier: Apache-2.0
// Bytes that will be held, foreseen before any of them is.
#pragma once

#include <cstdint>

namespace photon {

/// Of a device's memory, that plans may take: the rest is for everybody else.
inline constexpr double usable_share = 0.95;

/// Bytes that a request takes on the device, foreseen before any of them is.
struct MemoryPlan {
  int64_t weights = 0;
  int64_t caches = 0;        ///< growing KV caches, all rows
  int64_t local_caches = 0;  ///< of the local decoders, all rows
  int64_t workspace = 0;
  int64_t available = 0;  ///< that all of them together may take

  int64_t total() const { return weights + caches + local_caches + workspace; }
  bool fits() const { return total() <= available; }
};

/// Bytes that a training step takes on the device, foreseen before any of them is.
struct TrainingPlan {
  int64_t weights = 0;  ///< in every precision they are kept in
  int64_t gradients = 0;
  int64_t moments = 0;
  int64_t activations = 0;  ///< kept from forward for backward
  int64_t workspace = 0;
  int64_t available = 0;  ///< that all of them together may take

  int64_t total() const { return weights + gradients + moments + activations + workspace; }
  bool fits() const { return total() <= available; }
};

}  // namespace photon
