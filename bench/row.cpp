// SPDX-License-Identifier: Apache-2.0
#include "bench/row.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/statistics.h"

namespace photon::bench {
namespace {

void set_times(ResultRow& row, const Timings& t) {
  row.set("ttft_seconds", median(t.ttft));
  row.set("prefill_seconds", median(t.prefill));
  row.set("decode_seconds", median(t.decode));
  if (!t.burst_gaps.empty()) {  // recgen unrolled may give everything in one
    row.set("burst_p50_seconds", quantile(t.burst_gaps, 0.50));
    row.set("burst_p90_seconds", quantile(t.burst_gaps, 0.90));
    row.set("burst_p99_seconds", quantile(t.burst_gaps, 0.99));
  }
  row.set("samples", static_cast<int64_t>(t.total.size()));
  if (t.total.size() > 1) row.set("spread", relative_spread(t.total));
  row.set("stop", t.stop_text);
  row.set("samples_dropped", t.dropped);
}

void set_phase(ResultRow& row, const std::string& name, const PhaseFloor& p, Bound bound, double seconds,
               const Ceilings& ceilings) {
  row.set(name + "_weight_bytes", p.work.weight_bytes);
  row.set(name + "_kv_bytes", p.work.kv_bytes());
  row.set(name + "_other_bytes", p.work.other_bytes);
  row.set(name + "_flops", p.work.flops);
  row.set(name + "_floor_seconds", p.seconds);
  row.set(name + "_serial_seconds", p.serial_seconds);
  if (seconds <= 0.0 || p.work.flops == 0.0) return;  // nothing to do: neither bound nor rate
  row.set(name + "_bound", to_string(bound));
  row.set(name + "_serial_fraction", p.serial_seconds / seconds);
  row.set(name + "_mbu", p.work.floor_bytes() / seconds / ceilings.bandwidth);
  row.set(name + "_mfu", p.work.flops / seconds / ceilings.matrix_rate);
}

void set_memory(ResultRow& row, std::string_view kind, std::optional<double> bytes_per_sample,
                double throughput) {
  if (!bytes_per_sample || *bytes_per_sample <= 0.0) return;
  row.set(fmt::format("kv_bytes_{}_per_sample", kind), *bytes_per_sample);
  if (throughput > 0.0)
    row.set(fmt::format("tpm_{}_ktok_per_s_per_gib", kind), tpm(throughput, *bytes_per_sample));
}

}  // namespace

void set_machine(ResultRow& row, const Machine& machine) {
  row.set("backend", machine.backend);
  row.set("device", machine.device);
  if (!machine.driver.empty()) row.set("driver", machine.driver);
  if (machine.clock_before_mhz > 0.0) row.set("clock_before_mhz", machine.clock_before_mhz);
  if (machine.clock_after_mhz > 0.0) row.set("clock_after_mhz", machine.clock_after_mhz);
}

void set_ceilings(ResultRow& row, const Ceilings& ceilings) {
  row.set("ceiling_bandwidth_bytes_per_s", ceilings.bandwidth);
  row.set("ceiling_matrix_flops_per_s", ceilings.matrix_rate);
  if (ceilings.cache_bandwidth > 0.0) row.set("ceiling_cache_bytes_per_s", ceilings.cache_bandwidth);
  row.set("ceiling_launch_seconds", ceilings.launch_seconds);
}

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

void set_case(ResultRow& row, const Case& c) {
  row.set("kind", "bench");
  set_model(row, c.spec);
  row.set("checkpoint", c.checkpoint);
  row.set("dtype", to_string(c.dtype));
  row.set("regime", c.regime.name);
  if (c.spec.depth() > 0) row.set("generation", to_string(c.generation));
  if (c.generation == Generation::recgen) row.set("schedule", to_string(c.schedule));
  row.set("prompt", c.regime.prompt);
  row.set("new_tokens", c.regime.new_tokens);
  row.set("batch", c.batch);
  row.set("samples_per_prompt", c.samples_per_prompt);
}

Workload workload_of(const Case& c) {
  return {.prompt = c.regime.prompt,
          .new_tokens = c.regime.new_tokens,
          .batch = c.batch / c.samples_per_prompt,
          .samples = c.samples_per_prompt,
          .generation = c.generation,
          .schedule = c.schedule,
          .weight_bytes = element_bytes(c.dtype),
          .kv_bytes = element_bytes(c.dtype)};
}

double tpm(double tokens_per_second, double bytes_per_sample) {
  constexpr double gibibyte = 1024.0 * 1024.0 * 1024.0;
  return tokens_per_second / 1000.0 / (bytes_per_sample / gibibyte);
}

void fill_row(ResultRow& row, const Case& c, uint64_t seed, const Machine& machine, const Ceilings& ceilings,
              const Measured& measured) {
  row.set("seed", std::to_string(seed));
  set_machine(row, machine);
  set_case(row, c);
  set_times(row, measured.timings);

  const double prefill = median(measured.timings.prefill);
  const double decode = median(measured.timings.decode);
  const double total = median(measured.timings.total);
  const auto rows = static_cast<double>(c.batch);
  const double made = rows * static_cast<double>(c.regime.new_tokens);
  // A prompt is prefilled once, however many samples share it.
  const double prompted =
      rows / static_cast<double>(c.samples_per_prompt) * static_cast<double>(c.regime.prompt);
  const double throughput = total > 0.0 ? made / total : 0.0;
  if (total > 0.0) row.set("throughput_tokens_per_s", throughput);
  const Workload workload = workload_of(c);
  const RequestFloor floor = request_floor(request_cost(c.spec, workload), ceilings);
  const bool prefills = floor.prefill.work.flops > 0.0;
  if (prefills && prefill > 0.0) row.set("prefill_tokens_per_s", prompted / prefill);
  if (decode > 0.0) row.set("decode_tokens_per_s", made / decode);

  set_memory(row, "ideal", kv_bytes_ideal(c.spec, workload), throughput);
  set_memory(row, "planned", static_cast<double>(measured.timings.kv_bytes_planned) / rows, throughput);
  set_memory(row, "measured", measured.bytes_per_sample, throughput);
  row.set("local_bytes_per_sample", static_cast<double>(measured.timings.local_bytes) / rows);
  row.set("weights_bytes", weights_bytes(c.spec, element_bytes(c.dtype)));

  set_phase(row, "prefill", floor.prefill, measured.prefill_bound, prefill, ceilings);
  set_phase(row, "decode", floor.decode, measured.decode_bound, decode, ceilings);
  if (measured.predicted) {
    if (prefills) row.set("prefill_predicted_seconds", measured.predicted->prefill);
    row.set("decode_predicted_seconds", measured.predicted->decode);
  }
  set_ceilings(row, ceilings);
}

}  // namespace photon::bench
