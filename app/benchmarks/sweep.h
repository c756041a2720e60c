// SPDX-License-Identifier: Apache-2.0
// photon bench over a sweep: cases of several models one after another, each row kept as soon as it is there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/plan.h"
#include "bench/sampling.h"
#include "core/backend/backend.h"

namespace photon::app {

struct SweepOptions {
  std::vector<std::string> models;     ///< specs or checkpoint folders
  std::vector<std::string> overrides;  ///< of the specs' keys
  bench::Sweep sweep;
  std::vector<DType> dtypes;  ///< empty: the device's own
  std::string device;
  uint64_t seed = 0;
  bench::SamplingRule rule;
  std::string format;
  std::filesystem::path out;      ///< empty: none
  bool resume = false;            ///< leave out what `out` holds
  std::string resumes_by;         ///< what resumes after an interrupt, "--resume"
  std::filesystem::path profile;  ///< not empty: each case once for a profiler, no rows
  std::filesystem::path rates;    ///< of RunnerOptions; empty: none
  int64_t cache_bytes = 0;        ///< that the caches of the largest batch may take; 0: what fits into memory
  /// Above 0: raised until all architectures nearly fill them (bench/equal_memory.h)
  double equal_within = 0.0;
};

/// Throws Error if interrupted, with the number of rows that were kept, and if no case fits into memory.
void bench_sweep(const SweepOptions& options);

}  // namespace photon::app
