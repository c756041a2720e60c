// SPDX-License-Identifier: Apache-2.0
// The kernels that models consist of, each by itself at the shapes of their prefills and decodes, with
// operands from as far away as in a request (cold) and again and again the same (hot):
// `kernel/attention/128x4/4/B=8/Q=1/K=512/cold=8MiB`. With --rates they are kept for predictions.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

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

/// Runs kernels for the library; one is kept until another runs.
class KernelCases {
 public:
  KernelCases(Suite& suite, DType dtype)
      : dtype_(dtype),
        bench_(suite.backend, suite.flags.device, dtype, suite.flags.rates, KernelRule{}, Interrupted()),
        runner_(suite.backend, RunnerOptions{}, Interrupted()) {}

  Keep run(benchmark::State& state, const KernelPlace& place) {
    const Ceilings ceilings = runner_.ceilings(dtype_);
    if (!sampler_ || sampler_->place() != place) {
      sampler_.reset();
      sampler_ = bench_.begin(place.kernel, place.footprint);
    }
    sampler_->restart();
    while (state.KeepRunningBatch(sampler_->runs())) state.SetIterationTime(sampler_->take());
    const KernelRate rate = bench_.rate_of(*sampler_, ceilings);
    state.counters["bytes"] = rate.bytes;
    state.counters["flops"] = rate.flops;
    state.counters["bytes_per_s"] = rate.bytes / rate.seconds;
    state.counters["flops_per_s"] = rate.flops / rate.seconds;
    state.counters["floor_fraction"] = rate.floor_seconds / rate.seconds;
    state.counters["samples"] = static_cast<double>(rate.samples);
    state.counters["spread"] = rate.spread;
    return [this, rate] { bench_.keep(rate); };
  }

 private:
  DType dtype_;
  KernelBench bench_;
  Runner runner_;  ///< for the ceilings: measured again when they have grown old
  std::optional<KernelSampler> sampler_;
};

void register_kernels(Suite& suite) {
  if (!suite.flags.results.empty()) {
    throw UsageError("--results: a kernel is no row of results; --rates=FILE.csv keeps its rate");
  }
  const DType dtype = suite.flags.dtype.value_or(suite.backend.own_dtype());
  const auto cases = std::make_shared<KernelCases>(suite, dtype);
  for (const KernelPlace& place : places_of(suite.flags, element_bytes(dtype))) {
    suite.add(name_of(place), benchmark::kMicrosecond,
              [=](benchmark::State& state) { return cases->run(state, place); });
  }
}

}  // namespace
}  // namespace photon::bench

int main(int argc, char** argv) {
  return photon::bench::suite_main(argc, argv, photon::bench::register_kernels);
}
