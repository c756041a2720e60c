// SPDX-License-Identifier: Apache-2.0
// photon bench: what models do on this machine beside what it can do.
#include "app/benchmarks/ceilings.h"
#include "app/benchmarks/compare.h"
#include "app/benchmarks/preset.h"
#include "app/benchmarks/run.h"
#include "app/benchmarks/training.h"
#include "app/command.h"

namespace photon::app {
namespace {

void setup(CommandLine& app) {
  CommandLine bench =
      app.add_subcommand("bench", "Speed and memory of models beside what this machine can do");
  bench.words_may_stand_alone();
  add_bench_run(bench);
  add_bench_run(bench.add_subcommand("run", "Prefill and decoding of models, case by case (the default)"));
  add_bench_training(bench.add_subcommand("train", "Training steps beside the matrix rate"));
  add_bench_ceilings(bench.add_subcommand("ceilings", "What the machine can do, as a hardware file"));
  add_bench_preset(bench.add_subcommand("preset", "A sweep or a list of targets from a file"));
  add_bench_compare(
      bench.add_subcommand("compare", "How much faster B is than A, case by case, and how sure that is"));
}

const RegisterCommand registered{55, setup};

}  // namespace
}  // namespace photon::app
