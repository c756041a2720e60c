// SPDX-License-Identifier: Apache-2.0
#include "bench/suite/cases.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/case.h"
#include "bench/runner.h"
#include "bench/sweep.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"
#include "core/results/results.h"

namespace photon::bench {
namespace {

constexpr auto counters = std::to_array<std::string_view>(
    {"batch", "prefill_tokens_per_s", "decode_tokens_per_s", "throughput_tokens_per_s", "ttft_seconds",
     "samples", "samples_dropped", "spread", "kv_bytes_ideal_per_sample", "kv_bytes_measured_per_sample",
     "tpm_ideal_ktok_per_s_per_gib", "prefill_serial_fraction", "decode_serial_fraction", "prefill_mbu",
     "decode_mbu", "prefill_mfu", "decode_mfu"});

/// Runs cases for the library. What it did for a case is kept until another one runs.
class CaseBench {
 public:
  CaseBench(std::string phase, Suite& suite, RunnerOptions options)
      : phase_(std::move(phase)), suite_(suite), runner_(suite.backend, std::move(options), Interrupted()) {}

  Keep run(benchmark::State& state, const std::string& name, const Case& c) {
    Measurement& m = begun(name, c);
    m.sampler.restart();
    for (auto _ : state) state.SetIterationTime(seconds_of_sample(m));
    const ResultRow row = runner_.finish(m, Stop::samples).value();
    for (const std::string_view counter : counters) {
      state.counters[std::string(counter)] =
          row.number(counter).value_or(std::numeric_limits<double>::quiet_NaN());
    }
    state.SetLabel(row.text(phase_ + "_bound") + held_back_text(runner_.held_back_by()));
    return [row, file = suite_.flags.results] {
      if (!file.empty()) append_results(file, std::vector{row});
    };
  }

 private:
  Measurement& begun(const std::string& name, const Case& c) {
    if (measurement_ && name == name_) return *measurement_;
    measurement_.reset();
    name_ = name;
    InferenceModel& model = loaded(c);
    Case sized = c;
    if (c.batch == sweep_max) sized.batch = runner_.largest_batch(c, model).value();
    return measurement_.emplace(runner_.begin(sized, model).value());
  }

  /// The model of this case, kept until another is asked for: cases of one model are registered one after
  /// another.
  InferenceModel& loaded(const Case& c) {
    if (!model_ || !(spec_ == c.spec)) {
      model_.reset();
      model_ = suite_.backend.inference(c.spec, initial_parameters(c.spec, suite_.flags.seed), c.dtype);
      spec_ = c.spec;
    }
    return *model_;
  }

  /// Of the phase, in a run that counts.
  double seconds_of_sample(Measurement& m) const {
    while (true) {
      const auto run = m.sampler.take().value();
      if (!run.counts) continue;
      return (phase_ == "prefill" ? run.times.prefill : run.times.decode).front();
    }
  }

  static std::string held_back_text(const std::string& by) {
    return by.empty() ? "" : "; held back by " + by;
  }

  std::string phase_;
  Suite& suite_;
  Runner runner_;
  std::unique_ptr<InferenceModel> model_;
  ModelSpec spec_;
  std::string name_;
  std::optional<Measurement> measurement_;  ///< of the case of that name
};

/// `hiergen`, `recgen-streamed`, `recgen-unrolled`; `plain` for a model without levels.
std::string generation_name(const Case& c) {
  if (c.spec.depth() == 0) return "plain";
  if (c.generation == Generation::hiergen) return "hiergen";
  return fmt::format("recgen-{}", to_string(c.schedule));
}

/// The ways in which a model generates; a prefill is the same in both schedules of recgen.
std::vector<Case> generations_of(const Case& c, bool prefill) {
  std::vector<Case> out{c};
  if (c.spec.depth() < 2) return out;
  Case recgen = c;
  recgen.generation = Generation::recgen;
  out.push_back(recgen);
  if (prefill) return out;
  recgen.schedule = Schedule::unrolled;
  out.push_back(recgen);
  return out;
}

}  // namespace

void register_cases(const std::string& phase, Suite& suite,
                    const std::function<Regime(const ModelSpec&, int64_t context)>& regime_of) {
  RunnerOptions options;
  options.backend_name = suite.flags.device;
  options.argv = suite.argv;
  options.seed = suite.flags.seed;
  options.rule.max_seconds = 2.0;  // of warm-up and memory alone: samples are the library's to count
  if (!suite.flags.rates.empty()) options.rates = suite.flags.rates;
  const auto bench = std::make_shared<CaseBench>(phase, suite, options);
  Case like;
  like.dtype = suite.flags.dtype.value_or(suite.backend.own_dtype());
  for (const std::string& file : suite.flags.models) {
    like.spec = load_model_spec(file);
    for (Case c : generations_of(like, phase == "prefill")) {
      for (const int64_t batch : suite.flags.batches) {
        for (const int64_t context : suite.flags.contexts) {
          c.batch = batch;
          c.regime = regime_of(c.spec, context);
          const std::string rows = batch == sweep_max ? "max" : std::to_string(batch);
          const std::string name =
              fmt::format("{}/{}/{}/B={}/T={}", phase, c.spec.name, generation_name(c), rows, context);
          suite.add(name, benchmark::kMillisecond,
                    [=](benchmark::State& state) { return bench->run(state, name, c); });
        }
      }
    }
  }
}

}  // namespace photon::bench
