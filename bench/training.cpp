#include "bench/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "bench/statistics.h"
#include "core/cost.h"
#include "core/error.h"
#include "core/random.h"

namespace photon::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

TokenBatch random_tokens(const ModelSpec& spec, int64_t rows, int64_t length, uint64_t seed) {
  const Philox philox(seed ^ stable_hash("bench training batch"));
  TokenBatch batch{rows, length, std::vector<int32_t>(static_cast<size_t>(rows * length))};
  for (size_t i = 0; i < batch.ids.size(); ++i) {
    batch.ids[i] = static_cast<int32_t>(philox.uniform(0, i) * static_cast<double>(spec.vocab));
  }
  return batch;
}

int64_t most_training_rows(const Backend& backend, const TrainingCase& c, int64_t available) {
  const auto fits = [&](int64_t rows) {
    const auto plan = backend.training_plan(c.spec, rows, c.length, c.loss, c.recompute);
    if (!plan) {
      throw Error(fmt::format("the largest batch: {} does not foresee its memory; name a number of rows",
                              backend.device_name()));
    }
    return plan->total() <= available;
  };
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

std::optional<TrainingResult> measure_training(Backend& backend, const TrainingCase& c,
                                               std::span<const float> parameters, const SamplingRule& rule,
                                               const Interrupted& interrupted) {
  if (c.length % c.spec.meta_context() != 0) {
    throw Error(fmt::format("training rows of {} tokens do not divide by the meta-context of '{}', {} tokens",
                            c.length, c.spec.name, c.spec.meta_context()));
  }
  const TokenBatch batch = random_tokens(c.spec, c.rows, c.length, c.seed);
  const auto model = backend.trainable(c.spec, parameters, c.recompute);
  std::vector<double> gradients;
  std::vector<double> optimizer;
  std::vector<double> steps;
  AdamWStep update;
  update.learning_rate = 1e-4;

  const auto step = [&] {
    const auto start = Clock::now();
    const Losses losses = model->accumulate_gradients(batch, c.loss, 1.0);
    const double first = seconds_since(start);
    update.gradient_scale = std::min(1.0, 1.0 / model->gradient_norm());
    model->adamw_step(update);
    const double all = seconds_since(start);
    ++update.step;
    if (!std::isfinite(losses.total(c.loss))) throw Error("benchmark: the training loss is not finite");
    gradients.push_back(first);
    optimizer.push_back(all - first);
    steps.push_back(all);
  };
  double matrix_rate = backend.measure_ceilings(backend.own_dtype()).matrix_rate;
  step();  // warms up: memory and threads are there afterwards
  gradients.clear();
  optimizer.clear();
  steps.clear();

  TrainingResult out;
  const auto start = Clock::now();
  while (true) {
    if (interrupted && interrupted()) return std::nullopt;
    step();
    const auto count = static_cast<int64_t>(steps.size());
    if (count >= rule.min_samples && relative_error(steps) <= rule.target_error) {
      out.stop = Stop::steady;
      break;
    }
    if (count >= rule.max_samples) {
      out.stop = Stop::samples;
      break;
    }
    if (seconds_since(start) + 0.5 * median(steps) > rule.max_seconds) {
      out.stop = Stop::time;
      break;
    }
  }
  matrix_rate = std::max(matrix_rate, backend.measure_ceilings(backend.own_dtype()).matrix_rate);

  out.step_seconds = median(steps);
  out.gradient_seconds = median(gradients);
  out.optimizer_seconds = median(optimizer);
  out.samples = static_cast<int64_t>(steps.size());
  out.spread = relative_spread(steps);
  out.tokens_per_second = static_cast<double>(c.rows * c.length) / out.step_seconds;
  out.flops = static_cast<double>(c.rows) * training_flops(c.spec, c.length);
  out.matrix_rate = matrix_rate;
  out.mfu = out.flops / out.step_seconds / matrix_rate;
  return out;
}

}  // namespace photon::bench
