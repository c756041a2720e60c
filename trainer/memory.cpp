// SPDX-License-Identifier: Apache-2.0
#include "trainer/memory.h"

#include <fmt/format.h>

#include "core/base/error.h"
#include "core/cost/training_floor.h"

namespace photon::trainer {
namespace {

double gib(int64_t bytes) {
  return static_cast<double>(bytes) / 0x1p30;
}

std::optional<TrainingPlan> plan_of(const TrainConfig& c, const ModelSpec& spec, const Backend& backend,
                                    int64_t micro_batch) {
  return backend.training_plan(spec, micro_batch, c.context, c.loss, c.recompute);
}

/// Of the batch's divisors, the largest that fits; 0: not even one sequence.
int64_t largest_that_fits(const TrainConfig& c, const ModelSpec& spec, const Backend& backend) {
  const auto fits = [&](int64_t sequences) {
    return c.batch % sequences == 0 && plan_of(c, spec, backend, sequences)->fits();
  };
  int64_t parts = 1;
  for (; parts * parts <= c.batch; ++parts) {
    if (c.batch % parts == 0 && fits(c.batch / parts)) return c.batch / parts;
  }
  for (int64_t sequences = parts - 1; sequences >= 1; --sequences) {
    if (fits(sequences)) return sequences;
  }
  return 0;
}

}  // namespace

TrainConfig with_planned_memory(TrainConfig config, const ModelSpec& spec, const Backend& backend) {
  if (config.context % spec.meta_context() != 0) return config;  // the trainer refuses it
  const int64_t asked = config.micro_batch;
  auto plan = plan_of(config, spec, backend, std::max<int64_t>(asked, 1));
  if (!plan) {
    if (asked > 0) return config;
    throw Error(
        fmt::format("micro_batch = 0: {} does not foresee its memory; give a number that divides "
                    "batch = {}",
                    backend.device_name(), config.batch));
  }
  if (asked == 0) {
    config.micro_batch = largest_that_fits(config, spec, backend);
    if (config.micro_batch > 0) plan = plan_of(config, spec, backend, config.micro_batch);
  }
  if (!plan->fits()) {
    const int64_t most = largest_that_fits(config, spec, backend);
    const std::string advice =
        most > 0 ? fmt::format("micro_batch = {} would fit", most)
        : config.recompute == Recompute::layer
            ? std::string("not even one sequence would fit")
            : fmt::format(
                  "not even one sequence fits with recompute = {}; layer, on a device that computes "
                  "again, needs least",
                  to_string(config.recompute));
    throw Error(
        fmt::format("model '{}': training on {} sequences of {} tokens at once takes {:.2f} GiB, "
                    "{:.2f} are usable; {}",
                    spec.name, std::max<int64_t>(config.micro_batch, 1), config.context, gib(plan->total()),
                    gib(plan->available), advice));
  }
  fmt::print(stderr, "memory: {}, {} sequences at once\n", describe(*plan), config.micro_batch);
  return config;
}

}  // namespace photon::trainer
