// SPDX-License-Identifier: Apache-2.0
// What the Google Benchmark executables share: the back ends that are built, and a benchmark for each case,
// named `decode/photon-tiny/hiergen/B=1/T=128` so that --benchmark_filter works. Every benchmark has the same
// counters, for the library's CSV reporter ends the program where they differ. Each is measured by the Runner
// behind `photon bench`: warm-up, samples, ceilings between the rows, and with --results the same rows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/case.h"
#include "bench/suite/flags.h"
#include "bench/suite/reporter.h"
#include "core/backend/backend.h"
#include "core/model/model_spec.h"

namespace photon::bench {

/// What a benchmark executable works with; lives until its last benchmark is done.
class Suite {
 public:
  Suite(SuiteFlags f, Backend& b, ResultsReporter& r, std::vector<std::string> words)
      : flags(std::move(f)), backend(b), reporter(r), argv(std::move(words)) {}

  const SuiteFlags flags;
  Backend& backend;
  ResultsReporter& reporter;
  const std::vector<std::string> argv;  ///< the command as it was given

  /// The model of this case, kept until another is asked for: cases of one model are registered one after
  /// another.
  InferenceModel& loaded(const Case& c);

 private:
  std::unique_ptr<InferenceModel> model_;
  ModelSpec held_;
};

/// Runs the benchmarks that `body` registers. Returns main's exit code: 2 for flags that are none, 1 if a
/// benchmark failed; messages are on standard error then.
int suite_main(int argc, char** argv, const std::function<void(Suite&)>& body);

/// Registers a benchmark for every model, generation it has, batch and context: `phase` is "prefill" or
/// "decode", its time the median of that phase. `regime_of` gives the lengths for a context.
void register_cases(const std::string& phase, Suite& suite,
                    const std::function<Regime(const ModelSpec&, int64_t context)>& regime_of);

}  // namespace photon::bench
