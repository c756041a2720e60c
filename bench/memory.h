// SPDX-License-Identifier: Apache-2.0
// What a row really costs in memory: the slope of the memory that the process holds on the device over the
// batch.
#pragma once

#include <cstdint>
#include <optional>

#include "bench/case.h"
#include "bench/sampling.h"

namespace photon::bench {

/// The two batches whose difference is measured, the smaller one first.
struct MemoryBatches {
  int64_t small = 0;
  int64_t large = 0;
};

/// The case's batch and half of it where that differs by enough memory to be seen among pages, else the
/// case's batch and a larger one. `planned` is the memory of a row in bytes. Empty if the larger batch would
/// take longer than `max_seconds` by the time of a run at the case's own batch.
std::optional<MemoryBatches> memory_batches(const Case& c, double planned, double run_seconds,
                                            double max_seconds);

/// Generates both batches, looks at the back end's memory_in_use when the last burst of each arrives, with
/// every cache still allocated, and divides the difference by the difference in rows. Growing caches, local
/// caches and whatever else the back end then holds for a row are in it; weights and what does not depend on
/// the batch cancel. Empty if interrupted or too small to be told from noise.
std::optional<double> measure_bytes_per_sample(const Backend& backend, InferenceModel& model, const Case& c,
                                               const MemoryBatches& batches, uint64_t seed,
                                               const Interrupted& interrupted);

}  // namespace photon::bench
