// SPDX-License-Identifier: Apache-2.0
#include "bench/runner.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/equal_memory.h"
#include "bench/memory.h"
#include "bench/statistics.h"
#include "bench/sweep.h"
#include "core/base/error.h"

namespace photon::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// "1.2 GiB of weights, 120 of caches, ...; 128.4 of 132.9"
std::string describe(const MemoryPlan& plan) {
  const auto gib = [](int64_t bytes) { return static_cast<double>(bytes) / 0x1p30; };
  return fmt::format(
      "{:.3g} GiB of weights, {:.3g} of caches, {:.3g} of local caches, {:.3g} of workspace; {:.4g} of "
      "{:.4g}",
      gib(plan.weights), gib(plan.caches), gib(plan.local_caches), gib(plan.workspace), gib(plan.total()),
      gib(plan.available));
}

/// The most copies of the request's only prompt that the model's plan finds room for, in `cache_bytes` unless
/// that is 0, at most `limit`.
int64_t most_prompts(const InferenceModel& model, GenerationRequest request, int64_t limit,
                     int64_t cache_bytes) {
  const std::vector<int32_t> prompt = request.prompts.front();
  const auto fits = [&](int64_t count) {
    request.prompts.assign(count, prompt);
    const MemoryPlan plan = model.memory_plan(request);
    return plan.fits() && (cache_bytes == 0 || plan.caches + plan.local_caches <= cache_bytes);
  };
  int64_t low = 0;
  int64_t high = 1;  // the first that is too many
  while (high <= limit && fits(high)) {
    low = high;
    high = std::min(2 * high, limit + 1);
    if (low == limit) return low;
  }
  while (low + 1 < high) {
    const int64_t middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

Runner::Runner(Backend& backend, RunnerOptions options, Interrupted interrupted)
    : backend_(backend), options_(std::move(options)), interrupted_(std::move(interrupted)) {}

bool Runner::fresh(DType dtype) const {
  const auto it = ceilings_.find(dtype);
  return it != ceilings_.end() && std::chrono::duration<double>(Clock::now() - it->second.time).count() <
                                      options_.ceilings_age_seconds;
}

const Ceilings& Runner::ceilings(DType dtype) {
  if (!fresh(dtype)) {
    const Ceilings measured = backend_.measure_ceilings(dtype);
    ceilings_[dtype] = {measured, Clock::now()};
  }
  return ceilings_.at(dtype).values;
}

KernelBench& Runner::kernels(DType dtype) {
  const auto at = kernels_.find(dtype);
  if (at != kernels_.end()) return at->second;
  return kernels_
      .try_emplace(dtype, backend_, options_.backend_name, dtype, *options_.rates, KernelRule{}, interrupted_)
      .first->second;
}

void Runner::require_room(Case c) const {
  if (c.batch == sweep_max) c.batch = c.samples_per_prompt;
  const double row = planned_bytes_per_row(c);
  const double needed = weights_bytes(c.spec, element_bytes(c.dtype)) + row * static_cast<double>(c.batch);
  const double usable = usable_share * static_cast<double>(backend_.memory_bytes());
  if (needed > usable) {
    throw DoesNotFit(
        fmt::format("{}: needs {:.2f} GiB for weights and caches, {:.2f} GiB of memory are usable; a smaller "
                    "batch fits (--batch max plans it)",
                    describe(c), needed / 0x1p30, usable / 0x1p30));
  }
}

std::optional<int64_t> Runner::largest_batch(Case c, InferenceModel& model) {
  c.batch = c.samples_per_prompt;
  require_room(c);
  GenerationRequest request = request_of(c, c.batch, options_.seed);
  const MemoryPlan one = model.memory_plan(request);
  int64_t most = int64_t{1} << 40;  // rows
  // A plan of the caches alone says too little about all memory: what a row takes is measured.
  if (one.workspace == 0 && c.cache_bytes == 0) {
    const MemoryBatches batches{c.batch, 2 * c.batch};
    const auto measured = measure_bytes_per_sample(backend_, model, c, batches, options_.seed, interrupted_);
    if (interrupted_ && interrupted_()) return std::nullopt;
    const double row = std::max(planned_bytes_per_row(c), measured.value_or(0.0));
    const double room = usable_share * static_cast<double>(backend_.memory_bytes()) -
                        static_cast<double>(backend_.memory_in_use());
    most = static_cast<int64_t>(room / row);
  }
  const auto prompts = most_prompts(model, request, most / c.samples_per_prompt, c.cache_bytes);
  if (prompts < 1 && c.cache_bytes > 0) {
    throw DoesNotFit(fmt::format("{}: not one prompt fits: the caches of its rows need {:.4g} MiB of {:.4g}",
                                 describe(c), static_cast<double>(one.caches + one.local_caches) / 0x1p20,
                                 static_cast<double>(c.cache_bytes) / 0x1p20));
  }
  if (prompts < 1) {
    throw DoesNotFit(fmt::format(
        "{}: not one prompt fits: its rows need {:.2f} GiB beside {:.2f} GiB of weights", describe(c),
        static_cast<double>(one.total() - one.weights) / 0x1p30, static_cast<double>(one.weights) / 0x1p30));
  }
  return prompts * c.samples_per_prompt;
}

std::optional<Measurement> Runner::begin(const Case& c, InferenceModel& model) {
  require_room(c);
  const Ceilings before = ceilings(c.dtype);
  const RequestFloor expected = request_floor(request_cost(c.spec, workload_of(c)), before);
  Measured measured;
  measured.prefill_bound = expected.prefill.bound;
  measured.decode_bound = expected.decode.bound;
  if (options_.rates) {
    KernelBench& bench = kernels(c.dtype);
    if (!bench.prepare(c.spec, workload_of(c), before, options_.tell)) return std::nullopt;
    measured.predicted = predict(c.spec, workload_of(c), bench.rates());
  }

  const GenerationRequest request = request_of(c, c.batch, options_.seed);
  const MemoryPlan plan = model.memory_plan(request);
  if (!plan.fits()) throw DoesNotFit(fmt::format("{}: {}", describe(c), describe(plan)));
  if (options_.tell) options_.tell("plan: " + describe(plan));
  return Measurement{c, model, before, measured,
                     request_sampler(backend_, model, request, options_.rule, interrupted_)};
}

std::optional<ResultRow> Runner::finish(Measurement& m, Stop stop) {
  m.measured.timings = m.sampler.finish(stop);
  const Timings& timings = m.measured.timings;
  last_stop_ = timings.stop;
  held_back_by_ = timings.held_back_by;
  const Machine machine{options_.backend_name, backend_.device_name(), backend_.driver_version(),
                        timings.clock_before_mhz, timings.clock_after_mhz};
  m.ceilings = larger(m.ceilings, ceilings(m.c.dtype));

  if (!m.memory_known) {
    const auto batches =
        memory_batches(m.c, planned_bytes_per_row(m.c), median(timings.total), options_.rule.max_seconds);
    if (batches) {
      m.measured.bytes_per_sample =
          measure_bytes_per_sample(backend_, m.model, m.c, *batches, options_.seed, interrupted_);
      if (interrupted_ && interrupted_()) return std::nullopt;
    }
    m.memory_known = true;
  }
  ResultRow row;
  set_identity(row, options_.argv);
  fill_row(row, m.c, options_.seed, machine, m.ceilings, m.measured);
  return row;
}

std::optional<ResultRow> Runner::measure(const Case& c, InferenceModel& model) {
  auto measurement = begin(c, model);
  if (!measurement) return std::nullopt;
  const auto stop = measurement->sampler.take_all();
  return stop ? finish(*measurement, *stop) : std::nullopt;
}

}  // namespace photon::bench
