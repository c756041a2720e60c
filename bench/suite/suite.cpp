// SPDX-License-Identifier: Apache-2.0
#include "bench/suite/suite.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <limits>

#include "bench/runner.h"
#include "bench/sweep.h"
#include "core/base/build_info.h"
#include "core/base/error.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"
#include "cuda_impl/backends.h"
#include "reference/backend.h"
#include "reference/blas.h"

namespace photon::bench {
namespace {

constexpr auto counters = std::to_array<std::string_view>(
    {"batch", "prefill_tokens_per_s", "decode_tokens_per_s", "throughput_tokens_per_s", "ttft_seconds",
     "samples", "samples_dropped", "spread", "kv_bytes_ideal_per_sample", "kv_bytes_measured_per_sample",
     "tpm_ideal_ktok_per_s_per_gib", "prefill_serial_fraction", "decode_serial_fraction", "prefill_mbu",
     "decode_mbu", "prefill_mfu", "decode_mfu"});

void run_case(benchmark::State& state, Case c, const std::string& phase, Runner& runner, Suite& suite) {
  std::optional<ResultRow> row;
  for (auto _ : state) {  // once: the runner repeats and takes the median itself
    try {
      InferenceModel& model = suite.loaded(c);
      if (c.batch == sweep_max) c.batch = runner.largest_batch(c, model).value();
      row = runner.measure(c, model);
    } catch (const Error& e) {
      state.SkipWithError(e.what());
      return;
    }
    state.SetIterationTime(*row->number(phase + "_seconds"));
  }
  for (const std::string_view name : counters) {
    state.counters[std::string(name)] = row->number(name).value_or(std::numeric_limits<double>::quiet_NaN());
  }
  state.SetLabel(fmt::format("{} {}", row->text(phase + "_bound"), row->text("stop")));
  suite.reporter.add(std::move(*row));
}

void say_context(const Suite& suite) {
  const BuildInfo build = build_info();
  const auto add = [](const std::string& name, const std::string& text) {
    if (!text.empty()) benchmark::AddCustomContext(name, text);
  };
  add("commit", build.commit + (build.dirty ? " and changes" : ""));
  add("backend", suite.flags.device);
  add("device", suite.backend.device_name());
  add("driver", suite.backend.driver_version());
  const double clock = suite.backend.clock_mhz();
  if (clock > 0.0) add("clock_mhz", fmt::format("{:.0f}", clock));
  add("seed", std::to_string(suite.flags.seed));
}

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

InferenceModel& Suite::loaded(const Case& c) {
  if (!model_ || !(held_ == c.spec)) {
    model_.reset();
    model_ = backend.inference(c.spec, initial_parameters(c.spec, flags.seed), c.dtype);
    held_ = c.spec;
  }
  return *model_;
}

int suite_main(int argc, char** argv, const std::function<void(Suite&)>& body) {
  reference::use_best_blas(argv);
  const std::vector<std::string> words(argv, argv + argc);
  try {
    for (const std::string& word : words) {
      if (word == "--help") fmt::print("{}", suite_help(argv[0]));
    }
    std::fflush(stdout);
    const SuiteFlags flags = take_flags(argc, argv);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    BackendRegistry registry;
    reference::add_backend(registry);
    add_device_backends(registry);
    const auto backend = registry.make(flags.device);
    ResultsReporter reporter(flags.results);
    Suite suite(flags, *backend, reporter, words);
    say_context(suite);
    body(suite);
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
    return reporter.failures() == 0 ? 0 : 1;
  } catch (const UsageError& e) {
    fmt::print(stderr, "{}: {}\n", argv[0], e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", argv[0], e.what());
    return 1;
  }
}

void register_cases(const std::string& phase, Suite& suite,
                    const std::function<Regime(const ModelSpec&, int64_t context)>& regime_of) {
  RunnerOptions options;
  options.backend_name = suite.flags.device;
  options.argv = suite.argv;
  options.seed = suite.flags.seed;
  options.rule.max_seconds = suite.flags.max_seconds;
  if (!suite.flags.rates.empty()) options.rates = suite.flags.rates;
  const auto runner = std::make_shared<Runner>(suite.backend, options, Interrupted());
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
          benchmark::RegisterBenchmark(
              name.c_str(),
              [=, &suite](benchmark::State& state) { run_case(state, c, phase, *runner, suite); })
              ->UseManualTime()
              ->Iterations(1)
              ->Unit(benchmark::kMillisecond);
        }
      }
    }
  }
}

}  // namespace photon::bench
