// SPDX-License-Identifier: Apache-2.0
#include "core/cost/training_floor.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "core/base/error.h"

namespace photon {
namespace {

bool within(std::string_view scope, std::string_view name) {
  while (!scope.empty()) {
    const size_t slash = std::min(scope.find('/'), scope.size());
    if (scope.substr(0, slash) == name) return true;
    scope.remove_prefix(std::min(slash + 1, scope.size()));
  }
  return false;
}

std::string phase_of(const Launch& launch) {
  for (const char* phase : {"again", "forward", "loss", "backward", "optimizer"}) {
    if (within(launch.scope, phase)) return phase;
  }
  throw Error(fmt::format("launch of {} ({}) is in none of the phases of a training step: it is in '{}'",
                          launch.op, launch.file, launch.scope));
}

double gib(int64_t bytes) {
  return static_cast<double>(bytes) / 0x1p30;
}

}  // namespace

TrainingFloor training_floor(std::span<const Launch> launches, const Ceilings& ceilings) {
  if (!(ceilings.bandwidth > 0.0) || !(ceilings.matrix_rate > 0.0)) {
    throw Error(fmt::format("a training floor needs a bandwidth and a matrix rate, not {:.4g} and {:.4g}",
                            ceilings.bandwidth, ceilings.matrix_rate));
  }
  TrainingFloor out;
  std::map<std::pair<std::string, std::string>, size_t> places;
  for (const Launch& launch : launches) {
    const std::string phase = phase_of(launch);
    const auto [at, fresh] = places.try_emplace({phase, launch.op}, out.ops.size());
    if (fresh) out.ops.push_back({.phase = phase, .op = launch.op, .work = {}});
    const double bytes = launch.work.floor_bytes() + launch.work.other_bytes;
    const double seconds = std::max(bytes / ceilings.bandwidth, launch.work.flops / ceilings.matrix_rate) +
                           ceilings.launch_seconds;
    TrainingOp& op = out.ops[at->second];
    ++op.launches;
    op.work += launch.work;
    op.seconds += seconds;
    ++out.launches;
    out.seconds += seconds;
    (phase == "again" ? out.flops_again : out.flops) += launch.work.flops;
  }
  return out;
}

std::string describe(const TrainingPlan& plan) {
  return fmt::format(
      "weights {:.3f} GiB, gradients {:.3f}, moments {:.3f}, activations {:.3f}, workspace {:.3f}: {:.3f} of "
      "{:.2f} GiB",
      gib(plan.weights), gib(plan.gradients), gib(plan.moments), gib(plan.activations), gib(plan.workspace),
      gib(plan.total()), gib(plan.available));
}

}  // namespace photon
