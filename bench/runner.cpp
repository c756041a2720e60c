#include "bench/runner.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/memory.h"
#include "bench/statistics.h"
#include "core/error.h"

namespace photon::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double usable_share = 0.95;

/// Growing and local caches of one row as the cost model plans them, reserved to the end of the last
/// meta-context.
double planned_bytes_per_row(const Case& c) {
  Workload w = workload_of(c);
  const int64_t meta = c.spec.meta_context();
  const int64_t end = (w.prompt + w.new_tokens + meta - 1) / meta * meta;
  w.new_tokens = end - w.prompt;
  return kv_bytes_ideal(c.spec, w) + local_bytes(c.spec, w);
}

/// A ceiling is the most that was seen.
Ceilings larger(const Ceilings& a, const Ceilings& b) {
  Ceilings out = b;
  out.read_bandwidth = std::max(a.read_bandwidth, b.read_bandwidth);
  out.copy_bandwidth = std::max(a.copy_bandwidth, b.copy_bandwidth);
  out.bandwidth = std::max(a.bandwidth, b.bandwidth);
  out.matrix_rate = std::max(a.matrix_rate, b.matrix_rate);
  out.cache_bandwidth = std::max(a.cache_bandwidth, b.cache_bandwidth);
  out.cache_bytes = std::max(a.cache_bytes, b.cache_bytes);
  if (a.launch_seconds > 0.0) out.launch_seconds = std::min(a.launch_seconds, b.launch_seconds);
  return out;
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

void Runner::check_memory(const Case& c) const {
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
  check_memory(c);
  const MemoryBatches batches{c.batch, 2 * c.batch};
  const auto measured = measure_bytes_per_sample(backend_, model, c, batches, options_.seed, interrupted_);
  if (interrupted_ && interrupted_()) return std::nullopt;
  const double row = std::max(planned_bytes_per_row(c), measured.value_or(0.0));
  const double room = usable_share * static_cast<double>(backend_.memory_bytes()) -
                      static_cast<double>(backend_.memory_in_use());
  const auto prompts = static_cast<int64_t>(room / (row * static_cast<double>(c.samples_per_prompt)));
  if (prompts < 1) {
    throw DoesNotFit(fmt::format("{}: not one prompt fits: {:.2f} GiB are free, its rows need {:.2f} GiB",
                                 describe(c), room / 0x1p30,
                                 row * static_cast<double>(c.samples_per_prompt) / 0x1p30));
  }
  return prompts * c.samples_per_prompt;
}

std::optional<ResultRow> Runner::measure(const Case& c, InferenceModel& model) {
  check_memory(c);
  ResultRow row;
  set_identity(row, options_.argv);
  const Ceilings before = ceilings(c.dtype);
  const RequestFloor expected = request_floor(request_cost(c.spec, workload_of(c)), before);
  Measured measured;
  measured.prefill_bound = expected.prefill.bound;
  measured.decode_bound = expected.decode.bound;
  Machine machine{options_.backend_name, backend_.device_name(), backend_.driver_version(),
                  backend_.clock_mhz(), 0.0};

  const auto timings = sample(model, request_of(c, c.batch, options_.seed), options_.rule, interrupted_);
  if (!timings) return std::nullopt;
  measured.timings = *timings;
  last_stop_ = timings->stop;
  machine.clock_after_mhz = backend_.clock_mhz();
  held_back_by_ = backend_.held_back_by();
  const Ceilings now = larger(before, ceilings(c.dtype));

  const auto batches =
      memory_batches(c, planned_bytes_per_row(c), median(timings->total), options_.rule.max_seconds);
  if (batches) {
    measured.bytes_per_sample =
        measure_bytes_per_sample(backend_, model, c, *batches, options_.seed, interrupted_);
    if (interrupted_ && interrupted_()) return std::nullopt;
  }
  fill_row(row, c, options_.seed, machine, now, measured);
  return row;
}

}  // namespace photon::bench
