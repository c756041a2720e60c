#include "app/bench_training.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/model_source.h"
#include "bench/training.h"
#include "core/error.h"
#include "core/interrupt.h"

namespace photon {
namespace {

void print_json(const bench::TrainingCase& c, const bench::TrainingResult& r, const std::string& device) {
  const nlohmann::ordered_json line = {{"model", c.spec.name},
                                       {"device", device},
                                       {"seed", c.seed},
                                       {"batch", c.rows},
                                       {"length", c.length},
                                       {"step_seconds", r.step_seconds},
                                       {"gradient_seconds", r.gradient_seconds},
                                       {"optimizer_seconds", r.optimizer_seconds},
                                       {"samples", r.samples},
                                       {"spread", r.spread},
                                       {"tokens_per_s", r.tokens_per_second},
                                       {"training_flops", r.flops},
                                       {"ceiling_matrix_flops_per_s", r.matrix_rate},
                                       {"mfu", r.mfu}};
  fmt::print("{}\n", line.dump());
}

void print_row(const bench::TrainingCase& c, const bench::TrainingResult& r, bool first) {
  if (first) {
    fmt::print(
        "| model | batch (rows) | length (tokens) | step (s) | gradients (s) | norm and AdamW (s) | tokens/s "
        "| "
        "GFLOP a step | GFLOP/s | matrix rate (GFLOP/s) | mfu | samples | spread |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
  }
  fmt::print(
      "| {} | {} | {} | {:.4g} | {:.4g} | {:.4g} | {:.5g} | {:.4g} | {:.4g} | {:.4g} | {:.3f} | {} | {:.3f} "
      "|\n",
      c.spec.name, c.rows, c.length, r.step_seconds, r.gradient_seconds, r.optimizer_seconds,
      r.tokens_per_second, r.flops / 1e9, r.flops / r.step_seconds / 1e9, r.matrix_rate / 1e9, r.mfu,
      r.samples, r.spread);
}

}  // namespace

void bench_training(const BenchTraining& request) {
  if (request.format != "md" && request.format != "jsonl") {
    throw UsageError(
        fmt::format("--training prints md or jsonl, not {}: its figures are no rows of the results schema",
                    request.format));
  }
  const auto backend = backends().make(request.device);
  const std::string device = backend->device_name();
  fmt::print(stderr, "{}, seed {}\n", device, request.seed);
  InterruptGuard guard;
  bool first = true;
  for (const std::string& path : request.models) {
    const ModelSource source = model_source(path, request.overrides);
    const std::vector<float> parameters = parameters_of(source, request.seed);
    for (const int64_t batch : request.batches) {
      const bench::TrainingCase c{
          .spec = source.spec, .rows = batch, .length = request.length, .loss = {}, .seed = request.seed};
      fmt::print(stderr, "{} training B={} T={} ...\n", c.spec.name, batch, request.length);
      const auto result =
          bench::measure_training(*backend, c, parameters, request.rule, [&] { return guard.requested(); });
      if (!result) throw Error("interrupted; what was measured is printed");
      fmt::print(stderr, "{} training B={} T={}: {:.0f} tokens/s, {:.0f} % of the matrix rate, ended by {}\n",
                 c.spec.name, batch, request.length, result->tokens_per_second, result->mfu * 100.0,
                 to_string(result->stop));
      if (request.format == "jsonl") {
        print_json(c, *result, device);
      } else {
        print_row(c, *result, first);
      }
      std::fflush(stdout);
      first = false;
    }
  }
}

}  // namespace photon
