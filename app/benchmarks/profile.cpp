// SPDX-License-Identifier: Apache-2.0
#include "app/benchmarks/profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/benchmarks/words.h"
#include "bench/sweep.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"

namespace photon::app {
namespace {

/// A case as the name of an NVTX range: these separate ranges from each other and from their domain.
std::string range_name(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char x) { return x == '/' || x == ':'; }, '-');
  return name;
}

std::string megabytes(double bytes) {
  return bytes > 0.0 ? fmt::format("{:.4g}", bytes / 1e6) : "";
}

void add(const std::string& name, const std::vector<Launch>& launches, std::vector<LaunchSum>& sums) {
  say(fmt::format("{}: {} launches", name, launches.size()));
  const auto of_case = sum_launches(launches);
  sums.insert(sums.end(), of_case.begin(), of_case.end());
}

}  // namespace

void profile_cases(std::vector<bench::Case> cases, InferenceModel& model, bench::Runner& runner,
                   uint64_t seed, std::vector<LaunchSum>& sums) {
  for (bench::Case& c : cases) {
    try {
      if (c.batch == bench::sweep_max) {
        const auto batch = runner.largest_batch(c, model);
        if (!batch) throw Error("interrupted; nothing was written");
        c.batch = *batch;
      }
      const std::string name = range_name(describe(c));
      add(name, model.profile(bench::request_of(c, c.batch, seed), name), sums);
    } catch (const bench::DoesNotFit& e) {
      say(fmt::format("skipped: {}", e.what()));
    }
  }
}

void profile_step(Backend& backend, const bench::TrainingCase& c, const std::vector<float>& parameters,
                  std::vector<LaunchSum>& sums) {
  const auto plan = backend.training_plan(c.spec, c.rows, c.length, c.loss, c.recompute);
  if (plan && !plan->fits()) throw bench::DoesNotFit(fmt::format("{} does not fit", describe(c)));
  const auto model = backend.trainable(c.spec, parameters, c.recompute);
  const TokenBatch batch = bench::random_tokens(c.spec, c.rows, c.length, c.seed);
  const std::string name = range_name(describe(c));
  add(name, model->profile(batch, c.loss, {.learning_rate = 1e-4}, name), sums);
}

void finish_profile(const std::vector<LaunchSum>& sums, const std::filesystem::path& file) {
  if (sums.empty()) throw Error("no case fits into memory: nothing was profiled");
  fmt::print(
      "| scope | op | launches | weights, MB | cache, MB | other, MB | GFLOP | from |\n"
      "|---|---|--:|--:|--:|--:|--:|---|\n");
  for (const LaunchSum& s : sums) {
    fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} |\n", s.scope, s.op, s.launches,
               megabytes(s.work.weight_bytes), megabytes(s.work.kv_bytes()), megabytes(s.work.other_bytes),
               s.work.flops > 0.0 ? fmt::format("{:.4g}", s.work.flops / 1e9) : "", s.file);
  }
  write_file_atomically(file, to_csv(sums));
  say(fmt::format("written to {}", file.string()));
}

}  // namespace photon::app
