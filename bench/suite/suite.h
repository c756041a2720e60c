// SPDX-License-Identifier: Apache-2.0
// What the Google Benchmark executables share: flags, the back ends that are built, exit codes. The
// iterations of a benchmark are its samples, and how many there are is the library's to decide
// (--benchmark_min_time,
// --benchmark_repetitions).
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bench/suite/flags.h"
#include "bench/suite/reporter.h"
#include "core/backend/backend.h"

namespace photon::bench {

/// What a benchmark executable works with; lives until its last benchmark is done.
class Suite {
 public:
  Suite(SuiteFlags f, Backend& b, SuiteReporter& r, std::vector<std::string> words)
      : flags(std::move(f)), backend(b), argv(std::move(words)), reporter_(r) {}

  /// Registers a benchmark. Each of the library's runs of it calls `run`, which iterates over the state,
  /// tells the seconds of each iteration, and returns how to keep what was measured. The benchmark fails with
  /// the message of an Error that it throws.
  void add(const std::string& name, benchmark::TimeUnit unit,
           const std::function<Keep(benchmark::State&)>& run);

  const SuiteFlags flags;
  Backend& backend;
  const std::vector<std::string> argv;  ///< the command as it was given

 private:
  SuiteReporter& reporter_;
};

/// Runs the benchmarks that `body` registers. Returns main's exit code: 2 for flags that are none and a
/// filter that no benchmark matches, 1 if a benchmark failed; messages are on standard error then.
int suite_main(int argc, char** argv, const std::function<void(Suite&)>& body);

}  // namespace photon::bench
