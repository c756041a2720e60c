// SPDX-License-Identifier: Apache-2.0
// Presets of `photon bench` that are sweeps, as files: models, regimes, generations, batches, and what takes
// their place on a device that is too slow for them (configs/bench/paper.toml and multi-query.toml). Presets
// that hold a machine to targets are in acceptance.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bench/plan.h"
#include "bench/sampling.h"
#include "core/backend/backend.h"

namespace photon::bench {

struct SweepPreset {
  std::string device;
  std::optional<DType> dtype;  ///< none: the device's own
  SamplingRule rule;
  std::vector<std::filesystem::path> models;
  Sweep sweep;
  int64_t cache_bytes = 0;  ///< that the caches of the largest batch may take; 0: what fits into memory
  /// Above 0: cache_bytes is raised until architectures fill their caches to this share (equal_memory.h).
  double equal_within = 0.0;
  /// What stands in place of the preset's own values on this device, a line each: "regimes: pf/16 for
  /// pf". Empty at full size.
  std::vector<std::string> scaled;
};

/// Whether the file is one of these; Throws Error if it cannot be read.
bool is_sweep_preset(const std::filesystem::path& file);

/// `device`: empty for the preset's own. Throws Error as every config does: unknown keys, empty lists and
/// values that are none, with file and line.
SweepPreset load_sweep_preset(const std::filesystem::path& file, const std::string& device);

}  // namespace photon::bench
