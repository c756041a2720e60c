// SPDX-License-Identifier: Apache-2.0
// What the machine can do at most, by element type: `ceilings/float32`.
#include <benchmark/benchmark.h>

#include <chrono>
#include <string>

#include "bench/row.h"
#include "bench/suite/suite.h"
#include "core/base/error.h"

namespace photon {
namespace {

bench::Keep run(benchmark::State& state, Backend& backend, DType dtype) {
  using Clock = std::chrono::steady_clock;
  Ceilings c;
  for (auto _ : state) {
    const auto start = Clock::now();
    c = bench::larger(c, backend.measure_ceilings(dtype));
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - start).count());
  }
  state.counters["read_bytes_per_s"] = c.read_bandwidth;
  state.counters["copy_bytes_per_s"] = c.copy_bandwidth;
  state.counters["matrix_flops_per_s"] = c.matrix_rate;
  state.counters["cache_bytes_per_s"] = c.cache_bandwidth;
  state.counters["cache_bytes"] = static_cast<double>(c.cache_bytes);
  state.counters["launch_seconds"] = c.launch_seconds;
  state.counters["spread"] = c.spread;
  return [] {};
}

}  // namespace
}  // namespace photon

int main(int argc, char** argv) {
  using namespace photon;
  return bench::suite_main(argc, argv, [](bench::Suite& suite) {
    if (!suite.flags.results.empty()) {
      throw UsageError(
          "--results: a ceiling is no row; every row of bench_prefill and bench_decode has those of its own "
          "process, and photon bench ceilings --out FILE keeps a machine's");
    }
    for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
      if (suite.flags.dtype.value_or(dtype) != dtype) continue;
      suite.add(
          "ceilings/" + std::string(to_string(dtype)), benchmark::kSecond,
          [&backend = suite.backend, dtype](benchmark::State& state) { return run(state, backend, dtype); });
    }
  });
}
