// SPDX-License-Identifier: Apache-2.0
#include "trainer/budget.h"

#include <fmt/format.h>

#include <cmath>

#include "core/base/error.h"
#include "core/cost/cost.h"

namespace photon::trainer {
namespace {

double flops_per_step(const TrainConfig& config, const ModelSpec& spec) {
  if (config.context % spec.meta_context() != 0) {
    throw Error(fmt::format("context = {} does not divide by the meta-context of {}, {} tokens",
                            config.context, spec.name, spec.meta_context()));
  }
  return static_cast<double>(config.batch) * training_flops(spec, config.context);
}

}  // namespace

RunLength run_length(const TrainConfig& config, const ModelSpec& spec, const ModelSpec* matched) {
  RunLength length;
  length.tokens_per_step = config.batch * config.context;
  length.flops_per_step = flops_per_step(config, spec);

  const double model_flops = matched ? flops_per_step(config, *matched) : length.flops_per_step;
  double steps = config.budget.amount;  // of the model that the budget is for
  if (config.budget.kind == Budget::Kind::tokens) steps /= static_cast<double>(length.tokens_per_step);
  if (config.budget.kind == Budget::Kind::flops) steps /= model_flops;
  if (config.match == Match::flops) steps *= model_flops / length.flops_per_step;
  if (!(steps >= 0.5 && steps < 1e15)) {
    throw Error(
        fmt::format("the budget is {:.3g} steps of {} tokens and {:.3g} FLOPs; at least one is needed", steps,
                    length.tokens_per_step, length.flops_per_step));
  }
  length.steps = std::llround(steps);
  return length;
}

}  // namespace photon::trainer
