// SPDX-License-Identifier: Apache-2.0
#include "app/bench_training.h"

#include <fmt/format.h>

#include "app/bench_profile.h"
#include "app/bench_words.h"
#include "app/command.h"
#include "app/command_line.h"
#include "app/device_report.h"
#include "app/early_checks.h"
#include "app/model_source.h"
#include "bench/output.h"
#include "bench/products.h"
#include "bench/runner.h"
#include "bench/sweep.h"
#include "bench/training.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/cost/training_floor.h"

namespace photon {
namespace {

struct Run {
  Backend& backend;
  const BenchTraining& request;
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

}  // namespace

void bench_training(const BenchTraining& request) {
  std::vector<ModelSource> sources;
  for (const std::string& path : request.models) sources.push_back(model_source(path, request.overrides));
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
    for (const int64_t batch : request.batches) {
      bench::TrainingCase c{.spec = source.spec,
                            .checkpoint = source.checkpoint,
                            .rows = batch,
                            .length = request.length,
                            .loss = {},
                            .recompute = request.recompute,
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

}  // namespace photon
