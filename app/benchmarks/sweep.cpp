// SPDX-License-Identifier: Apache-2.0
#include "app/benchmarks/sweep.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "analysis/join/prediction.h"
#include "app/benchmarks/profile.h"
#include "app/benchmarks/words.h"
#include "app/command.h"
#include "app/command_line.h"
#include "app/device_report.h"
#include "app/early_checks.h"
#include "app/model_source.h"
#include "bench/equal_memory.h"
#include "bench/output.h"
#include "bench/products.h"
#include "bench/runner.h"
#include "bench/sweep.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"

namespace photon::app {
namespace {

constexpr const char* nothing_fits = "no case fits into memory: nothing was measured";

struct Count {
  int64_t total = 0;
  int64_t done = 0;
  int64_t skipped = 0;  // of them, for memory
};

/// Measures the cases of one loaded model; false if interrupted.
bool measure_cases(std::vector<bench::Case> cases, InferenceModel& model, bench::Runner& runner,
                   const SweepOptions& o, bench::Output& output, Count& count) {
  ResultRow identity;
  set_identity(identity, command_line());
  identity.set("backend", o.device);
  for (bench::Case& c : cases) {
    const std::string at = fmt::format("[{}/{}]", ++count.done, count.total);
    try {
      if (c.batch == bench::sweep_max) {
        const auto batch = runner.largest_batch(c, model);
        if (!batch) return false;
        c.batch = *batch;
      }
      identity.set("device", runner.device_name());
      const ResultRow* before = nullptr;
      if (o.resume) before = bench::measured_before(output.in_file(), c, identity);
      if (before != nullptr) {
        say(fmt::format("{} {}: in {} already", at, describe(c), o.out.string()));
        output.show(*before);
        continue;
      }
      say(fmt::format("{} {} ...", at, describe(c)));
      const auto row = runner.measure(c, model);
      if (!row) return false;
      output.add(*row);
      say(fmt::format("{} {}: {}", at, describe(c), outcome(*row, runner)));
    } catch (const bench::DoesNotFit& e) {
      ++count.skipped;
      say(fmt::format("{} skipped: {}", at, e.what()));
    }
  }
  return true;
}

/// Leaves out, and says, what cannot fit whatever is measured.
std::vector<bench::Case> with_room(const std::vector<bench::Case>& cases, const bench::Runner& runner,
                                   Count& count) {
  std::vector<bench::Case> out;
  for (const bench::Case& c : cases) {
    try {
      runner.require_room(c);
      out.push_back(c);
    } catch (const bench::DoesNotFit& e) {
      ++count.skipped;
      say(fmt::format("[{}/{}] skipped: {}", ++count.done, count.total, e.what()));
    }
  }
  return out;
}

}  // namespace

void bench_sweep(const SweepOptions& o) {
  bench::Output output(bench::Output::parse_format(o.format), o.out);
  if (!o.profile.empty()) require_writable(o.profile);
  if (!o.rates.empty()) {
    require_writable(o.rates);
    if (std::filesystem::exists(o.rates)) read_kernel_rates(o.rates);
  }
  if (o.resume && o.out.empty()) throw UsageError("--resume goes with --out FILE, whose rows it leaves out");
  const auto backend = backends().make(o.device);
  const auto dtypes = o.dtypes.empty() ? std::vector<DType>{backend->own_dtype()} : o.dtypes;
  InterruptGuard guard;
  const bench::Interrupted interrupted = [&] { return guard.requested(); };
  bench::RunnerOptions options{
      .backend_name = o.device, .argv = command_line(), .seed = o.seed, .rule = o.rule, .tell = say};
  if (!o.rates.empty()) options.rates = o.rates;
  bench::Runner runner(*backend, std::move(options), interrupted);

  std::vector<std::pair<ModelSource, std::vector<bench::Case>>> work;
  Count count;
  for (const ModelSource& source : model_sources(o.models, o.overrides)) {
    for (const DType dtype : dtypes) {
      bench::Case like;
      like.spec = source.spec;
      like.checkpoint = source.checkpoint;
      like.dtype = dtype;
      like.cache_bytes = o.cache_bytes;
      auto cases = cases_of(like, o.sweep, say);
      count.total += std::ssize(cases);
      if (!cases.empty()) work.emplace_back(source, std::move(cases));
    }
  }
  if (count.total == 0) throw UsageError("nothing to measure is left of what was asked for");
  say(fmt::format("{}, seed {}", backend->device_name(), o.seed));
  if (o.equal_within > 0.0) {
    std::vector<bench::Case*> largest;
    for (auto& [source, cases] : work) {
      for (bench::Case& c : cases) {
        if (c.batch == bench::sweep_max) largest.push_back(&c);
      }
    }
    bench::equalise(largest, o.equal_within, say);
  }
  if (!o.profile.empty()) {
    std::vector<LaunchSum> sums;
    for (auto& [source, cases] : work) {
      const auto model = backend->inference(source.spec, parameters_of(source, o.seed), cases.front().dtype);
      profile_cases(std::move(cases), *model, runner, o.seed, sums);
    }
    return finish_profile(sums, o.profile);
  }
  for (auto& [source, cases] : work) cases = with_room(cases, runner, count);
  std::erase_if(work, [](const auto& w) { return w.second.empty(); });
  if (work.empty()) throw Error(nothing_fits);
  if (o.out.empty()) say(kept_nowhere);
  for (const DType dtype : dtypes) print_ceilings(dtype, runner.ceilings(dtype));

  bool complete = true;
  for (auto& [source, cases] : work) {
    const auto model = backend->inference(source.spec, parameters_of(source, o.seed), cases.front().dtype);
    complete = measure_cases(std::move(cases), *model, runner, o, output, count);
    if (!complete) break;
  }
  output.finish();
  bench::keep_products(*backend, o.out);
  for (const std::string& line : analysis::prediction_summary(output.rows())) say(line);
  print_kernels(*backend);
  if (!complete) {
    throw Error(fmt::format("interrupted; {} rows were measured{}", output.added(),
                            o.out.empty()
                                ? " and printed"
                                : fmt::format(" and kept in {}: {} resumes", o.out.string(), o.resumes_by)));
  }
  if (count.skipped == count.total) throw Error(nothing_fits);
}

}  // namespace photon::app
