// SPDX-License-Identifier: Apache-2.0
#include "app/benchmarks/training.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/benchmarks/profile.h"
#include "app/benchmarks/sampling.h"
#include "app/benchmarks/words.h"
#include "app/command.h"
#include "app/command_line.h"
#include "app/device_report.h"
#include "app/early_checks.h"
#include "app/model_source.h"
#include "app/sweep_checks.h"
#include "bench/output.h"
#include "bench/products.h"
#include "bench/runner.h"
#include "bench/sweep.h"
#include "bench/training.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/cost/training_floor.h"

namespace photon::app {
namespace {

struct Options {
  std::vector<std::string> models;
  std::vector<std::string> overrides;
  std::string batches = "1";
  int64_t length = 512;
  std::string recompute = "none";
  std::string device = "cpu";
  uint64_t seed = 1;
  bench::SamplingRule rule;
  std::string format = "md";
  std::filesystem::path out;
  std::filesystem::path profile;  ///< launches of one step each go here, instead of measuring; may be empty
};

struct Run {
  Backend& backend;
  const Options& request;
  InterruptGuard guard;
  bench::Output output;
  std::vector<LaunchSum> sums;
};

void measure(Run& work, const bench::TrainingCase& c, const std::vector<float>& parameters) {
  const auto result = bench::measure_training(work.backend, c, parameters, work.request.rule,
                                              [&] { return work.guard.requested(); });
  if (!result) throw Error("interrupted; what was measured before is kept");
  ResultRow row;
  set_identity(row, command_line());
  bench::fill_row(row, c, work.request.device, work.backend, *result);
  work.output.add(row);
  say(fmt::format("{}: {}", describe(c), outcome(*result)));
}

void run(const Options& request) {
  const std::vector<int64_t> batches = bench::parse_sweep(request.batches, "--batch", true);
  const Recompute recompute = parse_recompute(request.recompute);
  const std::vector<ModelSource> sources = model_sources(request.models, request.overrides);
  if (!request.profile.empty()) require_writable(request.profile);
  const auto backend = backends().make(request.device);
  Run work{.backend = *backend,
           .request = request,
           .guard = {},
           .output = bench::Output(bench::Output::parse_format(request.format), request.out),
           .sums = {}};
  say(fmt::format("{}, seed {}", backend->device_name(), request.seed));
  if (request.out.empty() && request.profile.empty()) say(kept_nowhere);
  int64_t done = 0;
  for (const ModelSource& source : sources) {
    std::vector<float> parameters;  // once something is known to fit
    for (const int64_t batch : batches) {
      bench::TrainingCase c{.spec = source.spec,
                            .checkpoint = source.checkpoint,
                            .rows = batch,
                            .length = request.length,
                            .loss = {},
                            .recompute = recompute,
                            .seed = request.seed};
      try {
        if (batch == bench::sweep_max) c.rows = bench::most_training_rows(*backend, c);
        say(fmt::format("{} ...", describe(c)));
        if (const auto plan = backend->training_plan(c.spec, c.rows, c.length, c.loss, c.recompute)) {
          say("memory: " + describe(*plan));
          if (!plan->fits()) throw bench::DoesNotFit(describe(c));
        }
        if (parameters.empty()) parameters = parameters_of(source, request.seed);
        if (request.profile.empty()) {
          measure(work, c, parameters);
        } else {
          profile_step(*backend, c, parameters, work.sums);
        }
        ++done;
      } catch (const bench::DoesNotFit& e) {
        say(fmt::format("skipped: {}", e.what()));
      }
    }
  }
  if (done == 0) throw Error("no case fits into memory: nothing was measured");
  if (!request.profile.empty()) return finish_profile(work.sums, request.profile);
  work.output.finish();
  bench::keep_products(*backend, request.out);
  print_kernels(*backend);
}

}  // namespace

void add_bench_training(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command
      .add_models(
          o->models,
          "Models: names (photon list models) or spec files, with fresh weights, or checkpoint folders")
      .required();
  command.add_option("--batch", o->batches, "Rows of a step; max: what fits by plan")
      .check(numbers("--batch", true))
      .capture_default_str();
  command.add_option("--length", o->length, "Tokens in a row").check(positive_number()).capture_default_str();
  command.add_recompute(o->recompute);
  command.add_device(o->device);
  command.add_option("--seed", o->seed, "Of tokens and fresh weights")
      .check(non_negative_number())
      .capture_default_str();
  add_sampling_rule(command, o->rule);
  command.add_format(o->format);
  command.add_out(o->out, "RESULTS.csv", "File that every row is added to as soon as it is measured");
  command
      .add_option("--profile", o->profile,
                  "Run each step once, launch by launch, for a profiler (docs/profiling.md); what the model "
                  "says of the launches goes to this file")
      .type_name("LAUNCHES.csv");
  command.add_overrides(o->overrides, "Override a key of the specs");
  command.footer(
      "On a GPU, with as many rows as fit:\n"
      "  photon bench train photon-600m --length 2048 --batch max --device cuda\n"
      "Example, how near to the matrix rate a training step comes (step_mfu):\n"
      "  photon bench train photon-tiny --batch 4");
  command.callback([o] { run(*o); });
}

}  // namespace photon::app
