// photon bench: speed and memory of models in the paper's regimes beside what the machine can do.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "app/bench_acceptance.h"
#include "app/bench_profile.h"
#include "app/bench_training.h"
#include "app/bench_words.h"
#include "app/command.h"
#include "app/command_line.h"
#include "app/device_report.h"
#include "app/model_source.h"
#include "bench/machine.h"
#include "bench/output.h"
#include "bench/plan.h"
#include "bench/runner.h"
#include "bench/sweep.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/interrupt.h"

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
  std::filesystem::path profile;
  std::filesystem::path rates;
  bool training = false;
  int64_t length = 512;
  std::string recompute = "none";
};

template <class T>
std::vector<T> parse_list(const std::string& text, T (*parse)(std::string_view)) {
  std::vector<T> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    out.push_back(parse(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

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
  sweep.generations = parse_list<Generation>(o.generations, parse_generation);
  sweep.schedules = parse_list<Schedule>(o.schedules, parse_schedule);
  sweep.batches = bench::parse_sweep(o.batches, "--batch", true);
  sweep.samples_per_prompt = bench::parse_sweep(o.samples, "--samples-per-prompt");
  return sweep;
}

void measure_ceilings(const Options& o) {
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

struct Count {
  int64_t total = 0;
  int64_t done = 0;
  int64_t skipped = 0;  // of them, for memory
};

/// Measures the cases of one loaded model; false if interrupted.
bool measure_cases(std::vector<bench::Case> cases, InferenceModel& model, bench::Runner& runner,
                   const Options& o, bench::Output& output, Count& count) {
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
      if (o.resume && bench::measured_before(output.in_file(), c, identity)) {
        say(fmt::format("{} {}: in {} already", at, describe(c), o.out.string()));
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

void measure_generation(const Options& o) {
  const bench::Sweep sweep = sweep_of(o);
  bench::Output output(bench::Output::parse_format(o.format), o.out);
  if (o.resume && o.out.empty()) throw UsageError("--resume goes with --out FILE, whose rows it leaves out");
  const auto backend = backends().make(o.device);
  const auto dtypes = o.dtypes.empty()
                          ? std::vector<DType>{backend->own_dtype()}
                          : parse_list<DType>(fmt::format("{}", fmt::join(o.dtypes, ",")), parse_dtype);
  InterruptGuard guard;
  const bench::Interrupted interrupted = [&] { return guard.requested(); };
  bench::RunnerOptions options{o.device, command_line(), o.seed, o.rule, say};
  if (!o.rates.empty()) options.rates = o.rates;
  bench::Runner runner(*backend, std::move(options), interrupted);

  std::vector<std::pair<ModelSource, std::vector<bench::Case>>> work;
  Count count;
  for (const std::string& path : o.models) {
    const ModelSource source = model_source(path, o.overrides);
    for (const DType dtype : dtypes) {
      bench::Case like;
      like.spec = source.spec;
      like.checkpoint = source.checkpoint;
      like.dtype = dtype;
      auto cases = cases_of(like, sweep, say);
      count.total += std::ssize(cases);
      if (!cases.empty()) work.emplace_back(source, std::move(cases));
    }
  }
  if (count.total == 0) throw UsageError("nothing to measure is left of what was asked for");
  say(fmt::format("{}, seed {}", backend->device_name(), o.seed));
  if (!o.profile.empty()) {
    std::vector<LaunchSum> sums;
    for (auto& [source, cases] : work) {
      const auto model = backend->inference(source.spec, parameters_of(source, o.seed), cases.front().dtype);
      profile_cases(std::move(cases), *model, runner, o.seed, sums);
    }
    return finish_profile(sums, o.profile);
  }
  for (const DType dtype : dtypes) print_ceilings(dtype, runner.ceilings(dtype));

  bool complete = true;
  for (auto& [source, cases] : work) {
    const auto model = backend->inference(source.spec, parameters_of(source, o.seed), cases.front().dtype);
    complete = measure_cases(std::move(cases), *model, runner, o, output, count);
    if (!complete) break;
  }
  output.finish();
  print_kernels(*backend);
  if (!complete) {
    throw Error(fmt::format("interrupted; {} rows were measured and kept{}", output.added(),
                            o.out.empty() ? "" : fmt::format(" in {}: --resume goes on", o.out.string())));
  }
  if (count.skipped == count.total) throw Error("no case fits into memory: nothing was measured");
}

void run(const Options& o) {
  if (o.ceilings_only || !o.hardware.empty()) {
    if (!o.models.empty()) throw UsageError("--ceilings-only and --write-hardware measure no model");
    return measure_ceilings(o);
  }
  if (!o.preset.empty()) {
    return bench_acceptance({.preset = o.preset,
                             .models = o.models,
                             .device = o.device_named ? o.device : "",
                             .out = o.out,
                             .seed = o.seed});
  }
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
  measure_generation(o);
}

void setup(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  CLI::App* const command =
      app.add_subcommand("bench", "Speed and memory of models beside what this machine can do");
  command->add_option("models", o->models, "Model specs (TOML, fresh weights) or checkpoint folders")
      ->type_name("MODEL.toml|CHECKPOINT");
  command->add_option("--regime", o->regimes, "pf (2048 in, 128 out), de (128 in, 2048 out), scaled: pf/8")
      ->capture_default_str();
  command->add_option("--prompt", o->prompts, "Tokens in, instead of a regime")->type_name("P");
  command->add_option("--new", o->new_tokens, "Tokens out, instead of a regime")->type_name("N");
  command->add_option("--generation", o->generations, "hiergen, recgen")->capture_default_str();
  command->add_option("--schedule", o->schedules, "streamed, unrolled (of recgen)")->capture_default_str();
  command->add_option("--batch", o->batches, "Rows generated together; max: what fits by plan")
      ->capture_default_str();
  command->add_option("--samples-per-prompt", o->samples, "Rows that share one prefill")
      ->capture_default_str();
  command->add_option("--dtype", o->dtypes, "float32, float64, bfloat16; unset: the device's own")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--device", o->device, "Back end")->capture_default_str();
  command->add_option("--seed", o->seed, "Of prompts and fresh weights")->capture_default_str();
  command->add_option("--min-samples", o->rule.min_samples, "Before a steady median may end a row")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--max-seconds", o->rule.max_seconds, "Of samples, a row")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--format", o->format, "Of standard output: md, csv or jsonl")->capture_default_str();
  command->add_option("--out", o->out, "CSV file that every row is added to as soon as it is measured");
  command
      ->add_option("--rates", o->rates,
                   "Predict each row from rates of kernels before it is measured; what this file lacks of "
                   "them is timed first and added")
      ->type_name("RATES.csv");
  command->add_flag("--resume", o->resume, "Leave out what --out already holds from this machine and commit");
  command
      ->add_option("--preset", o->preset,
                   "Check the back end, measure a list of cases and say which reached their targets")
      ->type_name("NAME|FILE.toml");
  command
      ->add_option("--profile", o->profile,
                   "Run each case once, launch by launch, for a profiler (docs/profiling.md); what the model "
                   "says of the launches goes to this file")
      ->type_name("LAUNCHES.csv");
  command->add_flag("--training", o->training,
                    "Training steps (--batch rows of --length tokens) beside the matrix rate");
  command->add_option("--length", o->length, "Tokens in a training row")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--recompute", o->recompute, "none, inner or layer: what backward computes again")
      ->capture_default_str();
  command->add_flag("--ceilings-only", o->ceilings_only,
                    "Measure the machine alone, print it as a hardware file");
  command->add_option("--write-hardware", o->hardware, "Write that file")->type_name("HW.toml");
  command->add_option("--set", o->overrides, "Override a key of the specs")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all();
  command->footer(
      "Lists and ranges: 1,8,64   4-16   4-16+4   1-64*2\n"
      "How near to the matrix rate a training step comes (mfu):\n"
      "  photon bench configs/models/photon-small.toml --training --batch 8\n"
      "The same on a GPU, with as many rows of 2048 tokens as fit:\n"
      "  photon bench configs/models/photon-600m.toml --training --length 2048 --batch max --device cuda\n"
      "How near to its serial floor decoding at batch 1 comes (decode_serial_fraction):\n"
      "  photon bench configs/models/photon-base.toml --batch 1 --prompt 128 --new 128\n"
      "What an H200 is held to, in under eight minutes; models named here take the place of its own:\n"
      "  photon bench --preset h200-acceptance\n"
      "  photon bench --preset h200-training\n"
      "Figures are defined in docs/numbers.md.");
  command->callback([o, command] {
    o->device_named = command->count("--device") > 0;
    run(*o);
  });
}

const RegisterCommand registered{55, setup};

}  // namespace
}  // namespace photon
