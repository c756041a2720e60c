// SPDX-License-Identifier: Apache-2.0
// Lower bounds on time (docs/numbers.md): the floor, perfect overlap of memory and arithmetic within a
// meta-context; and the serial floor, perfect kernels one after another. Ceilings come from measurement in
// the same process or from a hardware file.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/cost/ceilings.h"
#include "core/cost/cost.h"
#include "core/cost/memory_plan.h"

namespace photon {

enum class Bound { bandwidth, compute, launch };
std::string_view to_string(Bound bound);

/// How weights that are read again while they fit the last-level cache are billed.
enum class MemoryLevels {
  one,  ///< to memory, like the first time
  two   ///< to the cache's bandwidth after the first read of the request
};

struct PhaseFloor {
  double seconds = 0.0;         ///< perfect overlap
  double serial_seconds = 0.0;  ///< perfect kernels, one after another
  double launches = 0.0;
  Work work;
  Bound bound = Bound::bandwidth;  ///< what the sums say: bytes, FLOPs, or launches times their cost
};

struct RequestFloor {
  PhaseFloor prefill;
  PhaseFloor decode;

  double seconds() const { return prefill.seconds + decode.seconds; }
};

/// Throws Error unless bandwidth and matrix rate are positive.
RequestFloor request_floor(const RequestCost& cost, const Ceilings& ceilings,
                           MemoryLevels levels = MemoryLevels::one);
/// The same without keeping the forwards. Throws as check_workload, too.
RequestFloor request_floor(const ModelSpec& spec, const Workload& workload, const Ceilings& ceilings,
                           MemoryLevels levels = MemoryLevels::one);

/// Prompts that fit beside the weights: (usable_share · memory - weights) / ideal KV of a prompt's rows; 0
/// where not even one does. Throws as check_workload.
int64_t fitting_batch(const ModelSpec& spec, Workload workload, int64_t memory_bytes);
/// The same. Throws Error where not even one fits.
int64_t largest_batch(const ModelSpec& spec, const Workload& workload, int64_t memory_bytes);

}  // namespace photon
