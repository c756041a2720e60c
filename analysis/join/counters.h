// SPDX-License-Identifier: Apache-2.0
// Hardware counters of kernels beside what the cost model says of them: Nsight Compute's raw page as CSV
// (`ncu --import FILE --csv --page raw --nvtx`) and the launches of `photon bench --profile`, matched by the
// NVTX ranges that a kernel ran in (docs/profiling.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "analysis/draw/html.h"
#include "core/cost/launch_sums.h"

namespace photon::analysis {

/// One kernel that was profiled.
struct KernelCounters {
  std::string scope;   ///< its ranges of the domain photon but the last, with '/' between them
  std::string op;      ///< the last; empty: it ran in none
  std::string kernel;  ///< as the profiler names it
  double seconds = 0.0;
  double dram_bytes = 0.0;   ///< read and written
  double cache_bytes = 0.0;  ///< through the last-level cache, both ways
  std::string where = {};    ///< "FILE, line N"
};

/// Throws Error with file and line where this is no such page, lacks a metric or the NVTX ranges, has a unit
/// or a cell that cannot be read.
std::vector<KernelCounters> read_kernel_counters(const std::filesystem::path& file);

/// Throws Error, naming file and line, on a kernel that ran in a case (the outermost range) of which there
/// are no launches: the counters are of another run. A run of which a part was profiled passes.
void check_same_run(std::span<const LaunchSum> launches, std::span<const KernelCounters> kernels);

/// Kernels and launches of one place. Either side may be missing: kernels of a library that were not
/// launched through the model's code, launches that were not profiled.
struct Comparison {
  std::string name;  ///< "SCOPE / OP", a scope or an op, as it was grouped
  int64_t launches = 0;
  int64_t kernels = 0;       ///< a library may start several for a launch
  double model_bytes = 0.0;  ///< weights and growing caches
  double other_bytes = 0.0;  ///< activations, local caches: in no floor
  double flops = 0.0;
  double seconds = 0.0;
  double dram_bytes = 0.0;
  double cache_bytes = 0.0;
};

enum class Grouping { launch, level, op };  ///< scope and op, scope alone, op alone

/// In the order of the launches; kernels outside any range last, under the empty name.
std::vector<Comparison> compare(std::span<const LaunchSum> launches, std::span<const KernelCounters> kernels,
                                Grouping grouping);

/// Three tables (levels, ops, both) as HTML.
Html counter_tables(std::span<const LaunchSum> launches, std::span<const KernelCounters> kernels);

}  // namespace photon::analysis
