// SPDX-License-Identifier: Apache-2.0
// The time of a training step from what it launches, without a device (docs/numbers.md): every launch takes
// the larger of its bytes over the bandwidth and its FLOPs over the matrix rate, and its own start on top;
// one after another.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/cost/ceilings.h"
#include "core/cost/launch.h"
#include "core/cost/memory_plan.h"

namespace photon {

/// All launches of an op in a phase: forward, loss, backward, again (what backward computes a second time) or
/// optimizer.
struct TrainingOp {
  std::string phase;
  std::string op;
  int64_t launches = 0;
  Work work;
  double seconds = 0.0;
};

struct TrainingFloor {
  std::vector<TrainingOp> ops;  ///< in the order in which each was first launched
  int64_t launches = 0;
  double seconds = 0.0;
  double flops = 0.0;        ///< without `again`: 3 x forward
  double flops_again = 0.0;  ///< computed a second time
};

/// Every byte counts, activations too. Throws Error unless bandwidth and matrix rate are positive, and on a
/// launch in none of the phases.
TrainingFloor training_floor(std::span<const Launch> launches, const Ceilings& ceilings);

/// Bytes, as the run's memory line says them: "weights 3.350 GiB, ...: 61.2 of 133.9 GiB".
std::string describe(const TrainingPlan& plan);

}  // namespace photon
