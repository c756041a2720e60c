// SPDX-License-Identifier: Apache-2.0
// The kernels that models consist of, each by itself at the shapes of their prefills and decodes, with
// operands from as far away as in a request (cold) and again and again the same (hot):
// `kernel/attention/128x4/4/B=8/Q=1/K=512/cold=8MiB`. With --rates they are kept for predictions.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "bench/kernels.h"
#include "bench/runner.h"
#include "bench/suite/suite.h"
#include "bench/sweep.h"
#include "core/base/error.h"
#include "core/model/model_config.h"

namespace photon::bench {
namespace {

constexpr int64_t answer = 64;  // tokens behind each context

/// Every kernel of every model, batch and context; footprint 0 is hot.
std::set<KernelPlace> places_of(const SuiteFlags& flags, int64_t element) {
  std::set<KernelPlace> out;
  for (const std::string& file : flags.models) {
    const ModelSpec spec = load_model_spec(file);
    for (const int64_t batch : flags.batches) {
      if (batch == sweep_max) throw UsageError("--batches=max: a kernel has no memory plan; name numbers");
      for (const int64_t context : flags.contexts) {
        for (const Generation generation : {Generation::hiergen, Generation::recgen}) {
          if (generation == Generation::recgen && spec.depth() < 2) continue;
          const Workload workload{.prompt = context,
                                  .new_tokens = answer,
                                  .batch = batch,
                                  .generation = generation,
                                  .weight_bytes = element,
                                  .kv_bytes = element};
          for (const KernelPlace& place : kernels_of(spec, workload)) {
            out.insert(place);
            out.insert({place.kernel, 0});
          }
        }
      }
    }
  }
  return out;
}

std::string name_of(const KernelPlace& place) {
  if (place.footprint == 0) return fmt::format("kernel/{}/hot", describe(place.kernel));
  constexpr int64_t mebibyte = int64_t{1} << 20;
  return place.footprint >= mebibyte
             ? fmt::format("kernel/{}/cold={}MiB", describe(place.kernel), place.footprint / mebibyte)
             : fmt::format("kernel/{}/cold={}KiB", describe(place.kernel), place.footprint >> 10);
}

void run(benchmark::State& state, const KernelPlace& place, KernelBench& bench, const Ceilings& ceilings) {
  std::optional<KernelRate> rate;
  for (auto _ : state) {  // once: the bench repeats and takes the median itself
    try {
      rate = bench.measure(place.kernel, place.footprint, ceilings);
    } catch (const Error& e) {
      state.SkipWithError(e.what());
      return;
    }
    state.SetIterationTime(rate->seconds);
  }
  state.counters["bytes"] = rate->bytes;
  state.counters["flops"] = rate->flops;
  state.counters["bytes_per_s"] = rate->bytes / rate->seconds;
  state.counters["flops_per_s"] = rate->flops / rate->seconds;
  state.counters["floor_fraction"] = rate->floor_seconds / rate->seconds;
  state.counters["samples"] = static_cast<double>(rate->samples);
  state.counters["spread"] = rate->spread;
}

void register_kernels(Suite& suite) {
  if (!suite.flags.results.empty()) {
    throw UsageError("--results: a kernel is no row of results; --rates=FILE.csv keeps its rate");
  }
  const DType dtype = suite.flags.dtype.value_or(suite.backend.own_dtype());
  KernelRule rule;
  rule.max_seconds = suite.flags.max_seconds;
  const auto bench = std::make_shared<KernelBench>(suite.backend, suite.flags.device, dtype,
                                                   suite.flags.rates, rule, Interrupted());
  // For the ceilings: measured again when they have grown old.
  const auto runner = std::make_shared<Runner>(suite.backend, RunnerOptions{}, Interrupted());
  for (const KernelPlace& place : places_of(suite.flags, element_bytes(dtype))) {
    benchmark::RegisterBenchmark(
        name_of(place).c_str(),
        [=, &suite](benchmark::State& state) { run(state, place, *bench, runner->ceilings(dtype)); })
        ->UseManualTime()
        ->Iterations(1)
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace
}  // namespace photon::bench

int main(int argc, char** argv) {
  return photon::bench::suite_main(argc, argv, photon::bench::register_kernels);
}
