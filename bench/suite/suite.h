// What the Google Benchmark executables share: their flags, the back ends, and a benchmark for each case,
// named `decode/photon-tiny/hiergen/B=1/T=128` so that --benchmark_filter works. Every benchmark has the same
// counters, for the library's CSV reporter ends the program where they differ; with PHOTON_RESULTS=FILE in
// the environment its row of the results schema is added to that file as well.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/case.h"
#include "bench/runner.h"
#include "core/backend.h"
#include "core/model_spec.h"

namespace photon::bench {

struct SuiteFlags {
  std::vector<std::string> models;  ///< --models=FILE,...: the tiny models of configs/models unless given
  std::string device = "cpu";       ///< --device=
  std::vector<int64_t> batches;     ///< --batches=1,8
  std::vector<int64_t> contexts;    ///< --contexts=128,512
  double max_seconds = 5.0;         ///< --max_seconds=, of samples, a benchmark
};

/// Runs `body` between initialisation and shutdown of the library. Own flags are taken out of argv first,
/// what is left over is refused. Returns main's exit code; failures of `body` are printed.
int suite_main(int argc, char** argv, const std::function<void(const SuiteFlags&, Backend&)>& body);

/// Registers a benchmark for every model, generation it has, batch and context: `phase` is "prefill" or
/// "decode", its time the median of that phase. `regime_of` gives the lengths for a context.
void register_cases(const std::string& phase, const SuiteFlags& flags, Backend& backend,
                    const std::function<Regime(const ModelSpec&, int64_t context)>& regime_of);

}  // namespace photon::bench
