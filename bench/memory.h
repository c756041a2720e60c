// What a row really costs in memory: the slope of the memory that the process holds on the device over the
// batch.
#pragma once

#include <optional>

#include "bench/case.h"
#include "bench/sampling.h"

namespace photon::bench {

/// Generates the case at its batch and at another one (half, or twice the smallest), looks at the back end's
/// memory_in_use when the last burst arrives, with every cache still allocated, and divides the difference by
/// the difference in rows. Growing caches, local caches and whatever else the back end keeps for a row are in
/// it; weights and workspace that do not depend on the batch cancel. Below the resolution of pages, or if
/// interrupted: empty.
std::optional<double> measure_bytes_per_sample(const Backend& backend, InferenceModel& model, const Case& c,
                                               uint64_t seed, const Interrupted& interrupted);

}  // namespace photon::bench
