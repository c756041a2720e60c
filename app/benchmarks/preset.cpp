// SPDX-License-Identifier: Apache-2.0
#include "app/benchmarks/preset.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "app/benchmarks/acceptance.h"
#include "app/benchmarks/sweep.h"
#include "app/benchmarks/words.h"
#include "app/command.h"
#include "bench/preset.h"
#include "core/base/error.h"

namespace photon::app {
namespace {

struct Options {
  std::filesystem::path preset;
  std::vector<std::string> models;
  std::string device;  ///< empty: the preset's
  uint64_t seed = 1;
  std::string format = "md";
  std::filesystem::path out;
  std::filesystem::path rates;
  std::optional<double> budget;
};

/// Says what was scaled, resumes in the file.
void sweep(const Options& o) {
  if (o.budget) throw UsageError("--budget goes with a preset of targets; a sweep resumes where it stopped");
  const bench::SweepPreset p = bench::load_sweep_preset(o.preset, o.device);
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
               .out = o.out,
               .resume = true,
               .resumes_by = "the same command",
               .profile = {},
               .rates = o.rates,
               .cache_bytes = p.cache_bytes,
               .equal_within = p.equal_within});
  say(fmt::format("rows are in {}", o.out.string()));
}

void run(Options o) {
  if (o.out.empty()) o.out = o.preset.stem().string() + ".csv";
  if (bench::is_sweep_preset(o.preset)) return sweep(o);
  if (!o.rates.empty() || o.format != "md") {
    throw UsageError("--rates and --format go with a preset that is a sweep; this one is a list of targets");
  }
  bench_acceptance({.preset = o.preset,
                    .models = o.models,
                    .device = o.device,
                    .out = o.out,
                    .seed = o.seed,
                    .budget = o.budget});
}

}  // namespace

void add_bench_preset(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command.add_option("preset", o->preset, "Preset: a name (photon list presets) or a file")
      .required()
      .type_name("PRESET")
      .names(ConfigKind::preset);
  command.add_models(
      o->models, "Instead of the preset's models; of a list of targets, of those of the same architecture");
  command.add_device(o->device);
  command.add_option("--seed", o->seed, "Of prompts and fresh weights")
      .check(non_negative_number())
      .capture_default_str();
  command.add_format(o->format);
  command.add_out(o->out, "RESULTS.csv", "File that every row is added to; by default PRESET.csv");
  command
      .add_option("--rates", o->rates,
                  "Of a sweep: predict each row from rates of kernels before it is measured")
      .type_name("RATES.csv");
  command
      .add_option("--budget", o->budget,
                  "Of targets: the row under way after so many seconds ends with its samples, those "
                  "behind it are not begun; the table stands in --out's .md after every row")
      .check(positive_number())
      .type_name("SECONDS");
  command.footer(
      "The file says what is measured; to change that, copy it and name the copy. After an interrupt the "
      "same\n"
      "command resumes a sweep.\n"
      "What an H200 is held to, in under eight minutes:\n"
      "  photon bench preset h200-acceptance --device cuda\n"
      "Example, the paper's comparison at a scale that this machine can do:\n"
      "  photon bench preset paper --device cpu");
  command.callback([o] { run(*o); });
}

}  // namespace photon::app
