// SPDX-License-Identifier: Apache-2.0
#include "bench/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "bench/runner.h"
#include "bench/statistics.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/cost/cost.h"
#include "core/cost/training_floor.h"

namespace photon::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_length(const TrainingCase& c) {
  if (c.length % c.spec.meta_context() == 0) return;
  throw Error(fmt::format("training rows of {} tokens do not divide by the meta-context of '{}', {} tokens",
                          c.length, c.spec.name, c.spec.meta_context()));
}

TrainingPlan plan_of(const Backend& backend, const TrainingCase& c, int64_t rows) {
  const auto plan = backend.training_plan(c.spec, rows, c.length, c.loss, c.recompute);
  if (!plan) {
    throw Error(fmt::format("the largest batch: {} does not foresee its memory; name a number of rows",
                            backend.device_name()));
  }
  return *plan;
}

/// Seconds of steps, one a sample.
struct StepTimes {
  std::vector<double> gradients;
  std::vector<double> optimizer;
  std::vector<double> total;

  void append(const StepTimes& more) {
    gradients.insert(gradients.end(), more.gradients.begin(), more.gradients.end());
    optimizer.insert(optimizer.end(), more.optimizer.begin(), more.optimizer.end());
    total.insert(total.end(), more.total.begin(), more.total.end());
  }
};

/// Steps on one batch.
class Steps {
 public:
  Steps(TrainableModel& model, const TrainingCase& c)
      : model_(model), case_(c), batch_(random_tokens(c.spec, c.rows, c.length, c.seed)) {}

  StepTimes run() {
    const auto start = Clock::now();
    const Losses losses = model_.accumulate_gradients(batch_, case_.loss, 1.0);
    model_.wait();
    const double first = seconds_since(start);
    update_.gradient_scale = std::min(1.0, 1.0 / model_.gradient_norm());
    model_.adamw_step(update_);
    model_.wait();
    const double whole = seconds_since(start);
    ++update_.step;
    if (!std::isfinite(losses.total(case_.loss))) {
      throw Error("benchmark: the training loss is not finite");
    }
    return {{first}, {whole - first}, {whole}};
  }

 private:
  TrainableModel& model_;
  const TrainingCase& case_;
  TokenBatch batch_;
  AdamWStep update_{.learning_rate = 1e-4};
};

}  // namespace

std::string describe(const TrainingCase& c) {
  return fmt::format(
      "{} training B={} T={}{}", c.spec.name, c.rows, c.length,
      c.recompute == Recompute::none ? "" : fmt::format(", {} computed again", to_string(c.recompute)));
}

TokenBatch random_tokens(const ModelSpec& spec, int64_t rows, int64_t length, uint64_t seed) {
  const Philox philox(seed ^ stable_hash("bench training batch"));
  TokenBatch batch{rows, length, std::vector<int32_t>(static_cast<size_t>(rows * length))};
  for (size_t i = 0; i < batch.ids.size(); ++i) {
    batch.ids[i] = static_cast<int32_t>(philox.uniform(0, i) * static_cast<double>(spec.vocab));
  }
  return batch;
}

int64_t most_training_rows(const Backend& backend, const TrainingCase& c, int64_t available) {
  check_length(c);
  const auto fits = [&](int64_t rows) { return plan_of(backend, c, rows).total() <= available; };
  int64_t low = 0;
  int64_t high = 1;  // the first that is too many
  while (high <= largest_training_rows && fits(high)) {
    low = high;
    high *= 2;
  }
  while (low + 1 < high && low < largest_training_rows) {
    const int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

int64_t most_training_rows(const Backend& backend, const TrainingCase& c) {
  check_length(c);
  const TrainingPlan one = plan_of(backend, c, 1);
  const int64_t most = most_training_rows(backend, c, one.available);
  if (most > 0) return most;
  throw DoesNotFit(fmt::format("{}: not even one row of {} tokens fits: {}", c.spec.name, c.length,
                               photon::describe(one)));
}

std::optional<TrainingResult> measure_training(Backend& backend, const TrainingCase& c,
                                               std::span<const float> parameters, const SamplingRule& rule,
                                               const Interrupted& interrupted) {
  check_length(c);
  TrainingResult out;
  out.plan = backend.training_plan(c.spec, c.rows, c.length, c.loss, c.recompute);
  if (out.plan && !out.plan->fits()) {
    throw DoesNotFit(fmt::format("{}: {}", describe(c), photon::describe(*out.plan)));
  }
  const DType dtype = backend.own_dtype();
  const Ceilings before = backend.measure_ceilings(dtype);
  auto model = backend.trainable(c.spec, parameters, c.recompute);
  Steps steps(*model, c);
  // Memory, graphs and threads are there afterwards.
  warm_up(
      backend, 0.2 * rule.max_seconds, [&] { steps.run(); }, interrupted);
  Sampler<StepTimes> sampler(backend, rule, [&]() -> std::optional<StepTimes> {
    if (interrupted && interrupted()) return std::nullopt;
    return steps.run();
  });
  const auto stop = sampler.take_all();
  if (!stop) return std::nullopt;
  const Samples<StepTimes> times = sampler.finish(*stop);
  model.reset();  // ceilings need memory of their own
  out.ceilings = larger(before, backend.measure_ceilings(dtype));

  out.step_seconds = median(times.total);
  out.gradient_seconds = median(times.gradients);
  out.optimizer_seconds = median(times.optimizer);
  out.samples = std::ssize(times.total);
  out.spread = relative_spread(times.total);
  out.stop_text = times.stop_text;
  out.dropped = times.dropped;
  out.held_back_by = times.held_back_by;
  out.clock_before_mhz = times.clock_before_mhz;
  out.clock_after_mhz = times.clock_after_mhz;
  out.tokens_per_second = static_cast<double>(c.rows * c.length) / out.step_seconds;
  out.flops = static_cast<double>(c.rows) * training_flops(c.spec, c.length);
  out.mfu = out.flops / out.step_seconds / out.ceilings.matrix_rate;
  return out;
}

void fill_row(ResultRow& row, const TrainingCase& c, const std::string& backend_name, const Backend& backend,
              const TrainingResult& r) {
  row.set("kind", "training");
  row.set("seed", std::to_string(c.seed));
  set_machine(row, {backend_name, backend.device_name(), backend.driver_version(), r.clock_before_mhz,
                    r.clock_after_mhz});
  set_ceilings(row, r.ceilings);
  set_model(row, c.spec);
  row.set("checkpoint", c.checkpoint);
  row.set("dtype", to_string(backend.own_dtype()));
  row.set("batch", c.rows);
  row.set("length", c.length);
  row.set("recompute", to_string(c.recompute));
  row.set("samples", r.samples);
  if (r.samples > 1) row.set("spread", r.spread);
  row.set("stop", r.stop_text);
  row.set("samples_dropped", r.dropped);
  row.set("step_seconds", r.step_seconds);
  row.set("step_gradient_seconds", r.gradient_seconds);
  row.set("step_optimizer_seconds", r.optimizer_seconds);
  row.set("step_tokens_per_s", r.tokens_per_second);
  row.set("step_flops", r.flops);
  row.set("step_mfu", r.mfu);
  if (r.plan) row.set("step_bytes_planned", r.plan->total());
}

std::string outcome(const TrainingResult& r) {
  return fmt::format("{:.4g} tokens/s, {:.1f} % of the matrix rate; {} samples, spread {:.0f} %, stop: {}{}",
                     r.tokens_per_second, r.mfu * 100.0, r.samples, r.spread * 100.0, r.stop_text,
                     dropped_text(r.dropped, r.held_back_by));
}

}  // namespace photon::bench
