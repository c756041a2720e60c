// SPDX-License-Identifier: Apache-2.0
// How near to its serial floor a machine comes, as a band: step times are simulated at its low, middle and
// high end, so that what was not measured well shows in every figure that follows from it.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "analysis/simulation/model_costs.h"
#include "core/results/results.h"

namespace photon::analysis::simulation {

struct EfficiencyBand {
  Efficiency low, mid, high;
  std::string source;  ///< "floor", "given", or how many rows it was measured on

  bool is_point() const { return low.prefill == high.prefill && low.decode == high.decode; }
};

/// "0.6" or "0.5:0.6:0.7" (low, mid, high), each above 0 and up to 1, not falling. Throws UsageError that
/// begins with `option`.
std::array<double, 3> parse_band(const std::string& text, const std::string& option);

/// What bench rows a simulated model can take its efficiency from.
struct MeasuredAs {
  const ModelSpec& spec;
  Generation generation = Generation::hiergen;
  std::string_view device;  ///< name in the hardware file
  std::string_view dtype;
};

/// The 10th, 50th and 90th percentile of prefill_serial_fraction and decode_serial_fraction over the bench
/// rows of the model, reading, generation (streamed), device and element type. Throws Error, with what there
/// is instead, where no row has both, and on a fraction above 1: such a row ran from a cache that the floor
/// does not know, and tells nothing about other batches and contexts.
EfficiencyBand measured_band(std::span<const ResultRow> rows, const MeasuredAs& wanted);

}  // namespace photon::analysis::simulation
