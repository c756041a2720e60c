// SPDX-License-Identifier: Apache-2.0
#include "app/benchmarks/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "app/benchmarks/sampling.h"
#include "app/benchmarks/sweep.h"
#include "app/sweep_checks.h"
#include "bench/plan.h"
#include "bench/sweep.h"
#include "core/base/error.h"

namespace photon::app {
namespace {

struct Options {
  std::vector<std::string> models;
  std::vector<std::string> overrides;
  std::string regimes = "pf,de";
  std::string prompts;
  std::string new_tokens;
  std::string generations = "hiergen";
  std::string schedules = "streamed";
  std::string batches = "1";
  std::string samples = "1";
  std::vector<std::string> dtypes;
  std::string device = "cpu";
  uint64_t seed = 1;
  bench::SamplingRule rule;
  std::string format = "md";
  std::filesystem::path out;
  bool resume = false;
  std::filesystem::path profile;
  std::filesystem::path rates;
  int64_t cache_mib = 0;
};

bench::Sweep sweep_of(const Options& o) {
  bench::Sweep sweep;
  if (o.prompts.empty() != o.new_tokens.empty()) throw UsageError("--prompt and --new go together");
  if (o.prompts.empty()) {
    sweep.regimes = bench::parse_regimes(o.regimes);
  } else {
    for (const int64_t prompt : bench::parse_sweep(o.prompts, "--prompt")) {
      for (const int64_t made : bench::parse_sweep(o.new_tokens, "--new")) {
        sweep.regimes.push_back({"custom", prompt, made});
      }
    }
  }
  sweep.generations = bench::parse_list<Generation>(o.generations, parse_generation);
  sweep.schedules = bench::parse_list<Schedule>(o.schedules, parse_schedule);
  sweep.batches = bench::parse_sweep(o.batches, "--batch", true);
  sweep.samples_per_prompt = bench::parse_sweep(o.samples, "--samples-per-prompt");
  const auto& batches = sweep.batches;
  if (o.cache_mib > 0 && std::find(batches.begin(), batches.end(), bench::sweep_max) == batches.end()) {
    throw UsageError("--cache-mib bounds --batch max, which was not asked for");
  }
  return sweep;
}

void run(const Options& o) {
  bench_sweep({.models = o.models,
               .overrides = o.overrides,
               .sweep = sweep_of(o),
               .dtypes = o.dtypes.empty() ? std::vector<DType>{}
                                          : bench::parse_list<DType>(
                                                fmt::format("{}", fmt::join(o.dtypes, ",")), parse_dtype),
               .device = o.device,
               .seed = o.seed,
               .rule = o.rule,
               .format = o.format,
               .out = o.out,
               .resume = o.resume,
               .resumes_by = "--resume",
               .profile = o.profile,
               .rates = o.rates,
               .cache_bytes = o.cache_mib << 20});
}

}  // namespace

void add_bench_run(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command.add_models(
      o->models,
      "Models: names (photon list models) or spec files, with fresh weights, or checkpoint folders");
  command.add_option("--regime", o->regimes, "pf (2048 in, 128 out), de (128 in, 2048 out), scaled: pf/8")
      .check(parsed_by(bench::parse_regimes))
      .capture_default_str();
  command.add_option("--prompt", o->prompts, "Tokens in, instead of a regime")
      .type_name("P")
      .check(numbers("--prompt"));
  command.add_option("--new", o->new_tokens, "Tokens out, instead of a regime")
      .type_name("N")
      .check(numbers("--new"));
  command.add_option("--generation", o->generations, "hiergen, recgen")
      .check(words(parse_generation))
      .capture_default_str();
  command.add_option("--schedule", o->schedules, "streamed, unrolled (of recgen)")
      .check(words(parse_schedule))
      .capture_default_str();
  command.add_option("--batch", o->batches, "Rows generated together; max: what fits by plan")
      .check(numbers("--batch", true))
      .capture_default_str();
  command
      .add_option("--cache-mib", o->cache_mib,
                  "What the caches of --batch max may take, growing and local, as planned; unset: memory")
      .check(in_range(int64_t{1}, int64_t{1} << 30));
  command.add_option("--samples-per-prompt", o->samples, "Rows that share one prefill")
      .check(numbers("--samples-per-prompt"))
      .capture_default_str();
  command.add_dtype(o->dtypes);
  command.add_device(o->device);
  command.add_option("--seed", o->seed, "Of prompts and fresh weights")
      .check(non_negative_number())
      .capture_default_str();
  add_sampling_rule(command, o->rule);
  command.add_format(o->format);
  command.add_out(o->out, "RESULTS.csv", "File that every row is added to as soon as it is measured");
  command
      .add_option("--rates", o->rates,
                  "Predict each row from rates of kernels before it is measured; what this file lacks of "
                  "them is timed first and added")
      .type_name("RATES.csv");
  command.add_flag("--resume", o->resume, "Leave out what --out already holds from this machine and commit");
  command
      .add_option("--profile", o->profile,
                  "Run each case once, launch by launch, for a profiler (docs/profiling.md); what the model "
                  "says of the launches goes to this file")
      .type_name("LAUNCHES.csv");
  command.add_overrides(o->overrides, "Override a key of the specs");
  command.footer(
      "Lists and ranges: 1,8,64   4-16   4-16+4   1-64*2\n"
      "Figures are defined in docs/numbers.md.\n"
      "How near to its serial floor decoding at batch 1 comes (decode_serial_fraction):\n"
      "  photon bench photon-base --batch 1 --prompt 128 --new 128\n"
      "Example, three architectures in both regimes, an eighth as long:\n"
      "  photon bench vanilla-tiny block-tiny photon-tiny --regime pf/8,de/8 --batch 1,8");
  command.callback([o, command] {
    if (command.subcommand_given()) return;  // which has run
    if (o->models.empty()) {
      throw UsageError(
          "bench needs a model, by name (photon list models), spec file or checkpoint folder; or one of its "
          "subcommands; --help says more");
    }
    run(*o);
  });
}

}  // namespace photon::app
