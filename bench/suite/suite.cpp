// SPDX-License-Identifier: Apache-2.0
#include "bench/suite/suite.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "bench/output.h"
#include "core/base/build_info.h"
#include "core/base/error.h"
#include "cuda_impl/backends.h"
#include "reference/backend.h"
#include "reference/blas.h"

namespace photon::bench {
namespace {

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

}  // namespace

void Suite::add(const std::string& name, benchmark::TimeUnit unit,
                const std::function<Keep(benchmark::State&)>& run) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [this, name, run](benchmark::State& state) {
                                 try {
                                   reporter_.ran(name, run(state));
                                 } catch (const Error& e) {
                                   state.SkipWithError(e.what());
                                   reporter_.failed(name);
                                 }
                               })
      ->UseManualTime()
      ->Unit(unit);
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
    if (!flags.results.empty()) open_results(flags.results);
    SuiteReporter reporter;
    Suite suite(flags, *backend, reporter, words);
    say_context(suite);
    body(suite);
    const size_t matched = benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
    if (matched == 0) return 2;  // the library has said so
    return reporter.failures() == 0 ? 0 : 1;
  } catch (const UsageError& e) {
    fmt::print(stderr, "{}: {}\n", argv[0], e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", argv[0], e.what());
    return 1;
  }
}

}  // namespace photon::bench
