// SPDX-License-Identifier: Apache-2.0
// photon bench: speed and memory of models in the paper's regimes beside what the machine can do.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "app/bench_acceptance.h"
#include "app/bench_compare.h"
#include "app/bench_sweep.h"
#include "app/bench_training.h"
#include "app/bench_words.h"
#include "app/command.h"
#include "app/command_line.h"
#include "app/early_checks.h"
#include "app/sweep_checks.h"
#include "bench/machine.h"
#include "bench/output.h"
#include "bench/plan.h"
#include "bench/preset.h"
#include "bench/sweep.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"

namespace photon {
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
  bool device_named = false;
  uint64_t seed = 1;
  bench::SamplingRule rule;
  std::string format = "md";
  std::filesystem::path out;
  bool resume = false;
  bool ceilings_only = false;
  std::filesystem::path hardware;
  std::string preset;
  std::optional<double> budget;
  std::filesystem::path profile;
  std::filesystem::path rates;
  bool training = false;
  int64_t length = 512;
  std::string recompute = "none";
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

void measure_ceilings(const Options& o) {
  if (!o.hardware.empty()) require_writable(o.hardware);
  const auto backend = backends().make(o.device);
  say(backend->device_name());
  const std::string text = to_toml(bench::measure_machine(*backend, print_ceilings));
  if (o.hardware.empty()) {
    fmt::print("{}", text);
  } else {
    write_file_atomically(o.hardware, text);
    say(fmt::format("written to {}", o.hardware.string()));
  }
}

/// Says what was scaled, goes on in the file where it ended.
void sweep_preset(const Options& o) {
  const bench::SweepPreset p =
      bench::load_sweep_preset(bench::preset_file(o.preset), o.device_named ? o.device : "");
  std::filesystem::path out = o.out;
  if (out.empty()) out = std::filesystem::path(o.preset).stem().string() + ".csv";
  for (const std::string& line : p.scaled) say(fmt::format("scaled for {}: {}", p.device, line));
  std::vector<std::string> models = o.models;
  if (models.empty()) {
    for (const auto& file : p.models) models.push_back(file.string());
  }
  bench_sweep({.models = models,
               .overrides = {},
               .sweep = p.sweep,
               .dtypes = p.dtype ? std::vector{*p.dtype} : std::vector<DType>{},
               .device = p.device,
               .seed = o.seed,
               .rule = p.rule,
               .format = o.format,
               .out = out,
               .resume = true,
               .goes_on = "the same command",
               .profile = {},
               .rates = o.rates,
               .cache_bytes = p.cache_bytes,
               .equal_within = p.equal_within});
  say(fmt::format("rows are in {}", out.string()));
}

/// A preset says what is measured; what would be passed over is refused.
void refuse_beside_preset(const CommandLine& command) {
  for (const char* name : {"--regime", "--prompt", "--new", "--generation", "--schedule", "--batch",
                           "--samples-per-prompt", "--dtype", "--min-samples", "--max-seconds", "--cache-mib",
                           "--profile", "--training", "--length", "--recompute", "--set"}) {
    if (command.count(name) == 0) continue;
    throw UsageError(fmt::format(
        "{} does not go with --preset, whose file says what is measured; copy it and name the copy", name));
  }
}

void run(const Options& o) {
  if (o.ceilings_only || !o.hardware.empty()) {
    if (!o.models.empty()) throw UsageError("--ceilings-only and --write-hardware measure no model");
    return measure_ceilings(o);
  }
  if (!o.preset.empty() && bench::is_sweep_preset(bench::preset_file(o.preset))) {
    if (o.budget) throw UsageError("--budget goes with a preset of targets; a sweep goes on where it ended");
    return sweep_preset(o);
  }
  if (!o.preset.empty()) {
    return bench_acceptance({.preset = o.preset,
                             .models = o.models,
                             .device = o.device_named ? o.device : "",
                             .out = o.out,
                             .seed = o.seed,
                             .budget = o.budget});
  }
  if (o.budget) throw UsageError("--budget goes with a --preset of targets, most telling first");
  if (!std::isfinite(o.rule.max_seconds)) throw UsageError("--max-seconds: a number of seconds is needed");
  if (o.models.empty())
    throw UsageError("bench needs a model: a spec (configs/models/) or a checkpoint folder");
  if (o.training) {
    return bench_training({.models = o.models,
                           .overrides = o.overrides,
                           .device = o.device,
                           .format = o.format,
                           .out = o.out,
                           .profile = o.profile,
                           .batches = bench::parse_sweep(o.batches, "--batch", true),
                           .length = o.length,
                           .recompute = parse_recompute(o.recompute),
                           .seed = o.seed,
                           .rule = o.rule});
  }
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
               .goes_on = "--resume",
               .profile = o.profile,
               .rates = o.rates,
               .cache_bytes = o.cache_mib << 20});
}

void setup(CommandLine& app) {
  const auto o = std::make_shared<Options>();
  CommandLine command =
      app.add_subcommand("bench", "Speed and memory of models beside what this machine can do");
  command.add_option("models", o->models, "Model specs (TOML, fresh weights) or checkpoint folders")
      .type_name("MODEL.toml|CHECKPOINT");
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
  command.add_option("--dtype", o->dtypes, "float32, float64, bfloat16; unset: the device's own")
      .delimiter(',')
      .check(parsed_by(parse_dtype))
      .capture_default_str();
  command.add_option("--device", o->device, "Back end").check(known_device()).capture_default_str();
  command.add_option("--seed", o->seed, "Of prompts and fresh weights")
      .check(non_negative_number())
      .capture_default_str();
  command.add_option("--min-samples", o->rule.min_samples, "Before a steady median may end a row")
      .check(in_range(1, 100000))
      .capture_default_str();
  command.add_option("--max-seconds", o->rule.max_seconds, "Of samples, a row")
      .check(positive_number())
      .capture_default_str();
  command.add_option("--format", o->format, "Of standard output: md, csv or jsonl")
      .check(parsed_by(bench::Output::parse_format))
      .capture_default_str();
  command.add_option("--out", o->out, "CSV file that every row is added to as soon as it is measured");
  command
      .add_option("--rates", o->rates,
                  "Predict each row from rates of kernels before it is measured; what this file lacks of "
                  "them is timed first and added")
      .type_name("RATES.csv");
  command.add_flag("--resume", o->resume, "Leave out what --out already holds from this machine and commit");
  command
      .add_option(
          "--preset", o->preset,
          "A sweep or a list of targets from a file, or from configs/bench; rows go to --out, else to "
          "NAME.csv")
      .type_name("NAME|FILE.toml");
  command
      .add_option(
          "--budget", o->budget,
          "Of a preset of targets: the row under way after so many seconds ends with its samples, those "
          "behind it are not begun; the table stands in --out's .md after every row")
      .check(positive_number())
      .type_name("SECONDS");
  command
      .add_option("--profile", o->profile,
                  "Run each case once, launch by launch, for a profiler (docs/profiling.md); what the model "
                  "says of the launches goes to this file")
      .type_name("LAUNCHES.csv");
  command.add_flag("--training", o->training,
                   "Training steps (--batch rows of --length tokens) beside the matrix rate");
  command.add_option("--length", o->length, "Tokens in a training row")
      .check(positive_number())
      .capture_default_str();
  command.add_option("--recompute", o->recompute, "none, inner or layer: what backward computes again")
      .check(parsed_by(parse_recompute))
      .capture_default_str();
  command.add_flag("--ceilings-only", o->ceilings_only,
                   "Measure the machine alone, print it as a hardware file");
  command.add_option("--write-hardware", o->hardware, "Write that file").type_name("HW.toml");
  command.add_overrides(o->overrides, "Override a key of the specs");
  command.footer(
      "Lists and ranges: 1,8,64   4-16   4-16+4   1-64*2\n"
      "How near to the matrix rate a training step comes (mfu):\n"
      "  photon bench configs/models/photon-small.toml --training --batch 8\n"
      "The same on a GPU, with as many rows of 2048 tokens as fit:\n"
      "  photon bench configs/models/photon-600m.toml --training --length 2048 --batch max --device cuda\n"
      "How near to its serial floor decoding at batch 1 comes (decode_serial_fraction):\n"
      "  photon bench configs/models/photon-base.toml --batch 1 --prompt 128 --new 128\n"
      "The paper's models in its regimes, on this machine at a scale it can do; again after Ctrl-C goes on:\n"
      "  photon bench --preset paper --device cpu\n"
      "One to 64 samples of a prompt, every architecture in the same bytes of caches:\n"
      "  photon bench --preset multi-query --device cpu\n"
      "What an H200 is held to, in under eight minutes; models named here take the place of its own:\n"
      "  photon bench --preset h200-acceptance\n"
      "  photon bench --preset h200-training\n"
      "Figures are defined in docs/numbers.md.");
  add_bench_compare(command);
  command.callback([o, command] {
    if (command.subcommand_given()) return;  // which has run
    o->device_named = command.count("--device") > 0;
    if (!o->preset.empty()) refuse_beside_preset(command);
    run(*o);
  });
}

const RegisterCommand registered{55, setup};

}  // namespace
}  // namespace photon
