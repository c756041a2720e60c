#include "bench/suite/suite.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "bench/sweep.h"
#include "core/build_info.h"
#include "core/error.h"
#include "core/model_config.h"
#include "core/parameters.h"
#include "core/paths.h"
#include "core/results.h"
#include "reference/backend.h"
#include "reference/blas.h"

namespace photon::bench {
namespace {

constexpr uint64_t seed = 1;
constexpr auto counters = std::to_array<std::string_view>(
    {"prefill_tokens_per_s", "decode_tokens_per_s", "throughput_tokens_per_s", "ttft_seconds", "samples",
     "spread", "kv_bytes_ideal_per_sample", "kv_bytes_measured_per_sample", "tpm_ideal_ktok_per_s_per_gib",
     "prefill_serial_fraction", "decode_serial_fraction", "prefill_mbu", "decode_mbu", "prefill_mfu",
     "decode_mfu"});

std::vector<std::string>& words() {
  static std::vector<std::string> all;
  return all;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

/// Takes own flags out of argv.
SuiteFlags take_flags(int& argc, char** argv) {
  SuiteFlags flags;
  const std::filesystem::path models = share_folder() / "configs" / "models";
  for (const char* name : {"vanilla-tiny", "block-tiny", "photon-tiny"}) {
    flags.models.push_back((models / (std::string(name) + ".toml")).string());
  }
  flags.batches = {1, 8};
  flags.contexts = {128, 512};
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (name == "--models") {
      flags.models = split(value);
    } else if (name == "--device") {
      flags.device = value;
    } else if (name == "--batches") {
      flags.batches = parse_sweep(value, name);
    } else if (name == "--contexts") {
      flags.contexts = parse_sweep(value, name);
    } else if (name == "--max_seconds") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), flags.max_seconds);
      if (error != std::errc() || end != value.data() + value.size() || !(flags.max_seconds > 0.0)) {
        throw UsageError(fmt::format("--max_seconds={}: a positive number of seconds is needed", value));
      }
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return flags;
}

/// The model of the benchmark that ran last: cases of one model are registered one after another.
InferenceModel& loaded(Backend& backend, const ModelSpec& spec) {
  static std::unique_ptr<InferenceModel> model;
  static ModelSpec held;
  if (!model || !(held == spec)) {
    model.reset();
    model = backend.inference(spec, initial_parameters(spec, seed), DType::float32);
    held = spec;
  }
  return *model;
}

void run_case(benchmark::State& state, const Case& c, const std::string& phase, Runner& runner,
              Backend& backend) {
  std::optional<ResultRow> row;
  for (auto _ : state) {  // once: the runner repeats and takes the median itself
    try {
      row = runner.measure(c, loaded(backend, c.spec));
    } catch (const Error& e) {
      state.SkipWithError(e.what());
      return;
    }
    state.SetIterationTime(*row->number(phase + "_seconds"));
  }
  for (const std::string_view name : counters) {
    state.counters[std::string(name)] = row->number(name).value_or(std::numeric_limits<double>::quiet_NaN());
  }
  state.SetLabel(row->text(phase + "_bound"));
  if (const char* file = std::getenv("PHOTON_RESULTS"); file != nullptr && *file != '\0') {
    append_results(file, {&*row, 1});
  }
}

}  // namespace

int suite_main(int argc, char** argv, const std::function<void(const SuiteFlags&, Backend&)>& body) {
  reference::use_best_blas(argv);
  words().assign(argv, argv + argc);
  try {
    const SuiteFlags flags = take_flags(argc, argv);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    BackendRegistry registry;
    reference::add_backend(registry);
    const auto backend = registry.make(flags.device);
    const BuildInfo build = build_info();
    benchmark::AddCustomContext("commit", build.commit + (build.dirty ? " and changes" : ""));
    benchmark::AddCustomContext("device", backend->device_name());
    benchmark::AddCustomContext("seed", std::to_string(seed));
    body(flags, *backend);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
  } catch (const UsageError& e) {
    fmt::print(stderr, "{}: {}\n", argv[0], e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", argv[0], e.what());
    return 1;
  }
}

void register_cases(const std::string& phase, const SuiteFlags& flags, Backend& backend,
                    const std::function<Regime(const ModelSpec&, int64_t context)>& regime_of) {
  RunnerOptions options;
  options.backend_name = flags.device;
  options.argv = words();
  options.seed = seed;
  options.rule.max_seconds = flags.max_seconds;
  const auto runner = std::make_shared<Runner>(backend, options, Interrupted());
  for (const std::string& file : flags.models) {
    Case c;
    c.spec = load_model_spec(file);
    for (const Generation generation : {Generation::hiergen, Generation::recgen}) {
      if (generation == Generation::recgen && c.spec.depth() < 2) continue;
      c.generation = generation;
      for (const int64_t batch : flags.batches) {
        for (const int64_t context : flags.contexts) {
          c.batch = batch;
          c.regime = regime_of(c.spec, context);
          const std::string how = c.spec.depth() == 0 ? "plain" : std::string(to_string(generation));
          const std::string name = fmt::format("{}/{}/{}/B={}/T={}", phase, c.spec.name, how, batch, context);
          benchmark::RegisterBenchmark(
              name.c_str(),
              [=, &backend](benchmark::State& state) { run_case(state, c, phase, *runner, backend); })
              ->UseManualTime()
              ->Iterations(1)
              ->Unit(benchmark::kMillisecond);
        }
      }
    }
  }
}

}  // namespace photon::bench
