#include "app/bench_acceptance.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "app/bench_words.h"
#include "app/command.h"
#include "app/command_line.h"
#include "app/model_source.h"
#include "bench/acceptance.h"
#include "bench/agreement.h"
#include "bench/output.h"
#include "bench/runner.h"
#include "bench/sweep.h"
#include "bench/training.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/training_floor.h"

namespace photon {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<bench::AgreementCase> agreement_cases(const bench::Acceptance::Check& check,
                                                  const ModelSpec& spec, uint64_t seed) {
  bench::AgreementCase c{
      .rows = check.rows, .prompt = check.prompt, .new_tokens = check.new_tokens, .seed = seed};
  std::vector<bench::AgreementCase> out{c};
  if (spec.depth() < 2) return out;
  c.generation = Generation::recgen;
  for (const Schedule schedule : {Schedule::streamed, Schedule::unrolled}) {
    c.schedule = schedule;
    out.push_back(c);
  }
  return out;
}

void judge_agreement(const bench::Acceptance& a, const std::string& what, const std::string& of,
                     const bench::Agreement& found) {
  say(fmt::format("check: {}: {} off by {:.2f} %, {}", what, of, 100.0 * found.relative_error,
                  found.repeatable ? "twice the same" : "NOT repeatable"));
  if (found.relative_error <= a.check.largest_error && found.repeatable) return;
  throw Error(fmt::format(
      "{}: the back end does not compute this model ({:.2f} % off, allowed are {:.2f} %; two runs must "
      "be equal): nothing was measured",
      what, 100.0 * found.relative_error, 100.0 * a.check.largest_error));
}

void check_against_reference(const bench::Acceptance& a, Backend& backend, uint64_t seed) {
  const auto reference = backends().make("cpu");
  for (const auto& path : a.check.models) {
    const ModelSource source = model_source(path.string(), {});
    const std::vector<float> parameters = parameters_of(source, seed);
    if (a.check.steps > 0) {
      judge_agreement(
          a, fmt::format("{}, {} steps", source.spec.name, a.check.steps), "losses or gradients",
          bench::compare_training(
              backend, *reference, source.spec, parameters,
              {.rows = a.check.rows, .length = a.check.length, .steps = a.check.steps, .seed = seed}));
      continue;
    }
    const auto tested_model = backend.inference(source.spec, parameters, a.dtype);
    const auto reference_model = reference->inference(source.spec, parameters, a.dtype);
    for (const bench::AgreementCase& c : agreement_cases(a.check, source.spec, seed)) {
      const std::string what =
          fmt::format("{}, {}{}", source.spec.name, to_string(c.generation),
                      c.generation == Generation::recgen ? fmt::format(" {}", to_string(c.schedule)) : "");
      judge_agreement(a, what, "log-probabilities, of their spread,",
                      bench::compare(*tested_model, *reference_model, c));
    }
  }
}

/// The models to measure, by the preset's names.
std::map<std::string, ModelSource> sources_of(const bench::Acceptance& a,
                                              const std::vector<std::string>& named) {
  std::map<std::string, ModelSource> out;
  for (const auto& [name, path] : a.models) out[name] = model_source(path.string(), {});
  for (const std::string& path : named) {
    const ModelSource source = model_source(path, {});
    const std::string architecture(source.spec.architecture());
    bool known = false;
    for (auto& [name, replaced] : out) {
      if (replaced.spec.architecture() != architecture) continue;
      replaced = source;
      known = true;
    }
    if (!known)
      throw UsageError(fmt::format("{} is a {} model, of which the preset has none", path, architecture));
  }
  return out;
}

bench::Case case_of(const bench::Target& t, const ModelSource& source, DType dtype) {
  return {.spec = source.spec,
          .checkpoint = source.checkpoint,
          .dtype = dtype,
          .regime = t.regime,
          .generation = t.generation,
          .schedule = t.schedule,
          .batch = t.batch};
}

bench::TrainingCase training_case_of(const bench::Target& t, const ModelSource& source, uint64_t seed) {
  return {.spec = source.spec,
          .checkpoint = source.checkpoint,
          .rows = t.batch,
          .length = t.length,
          .loss = {},
          .recompute = t.recompute,
          .seed = seed};
}

/// Measures targets, one row for several of the same case.
class Judge {
 public:
  Judge(bench::Runner& runner, Backend& backend, const std::string& backend_name, const bench::Acceptance& a,
        const bench::Interrupted& interrupted, std::filesystem::path out)
      : runner_(runner),
        backend_(backend),
        backend_name_(backend_name),
        acceptance_(a),
        interrupted_(interrupted),
        out_(std::move(out)) {}

  /// Without a row only if interrupted or too large.
  bench::Outcome measure(const bench::Target& t, bench::Case c, InferenceModel& model) {
    bench::Outcome result{t, {}, "interrupted"};
    const std::string at = next();
    const std::string asked = describe(c);
    if (const auto it = rows_.find(asked); it != rows_.end()) {
      result.row = it->second;
      return result;
    }
    try {
      if (c.batch == bench::sweep_max) {
        const auto batch = runner_.largest_batch(c, model);
        if (!batch) return result;
        c.batch = *batch;
      }
      say(fmt::format("{} {} ...", at, describe(c)));
      result.row = runner_.measure(c, model);
      if (!result.row) return result;
      append_results(out_, std::span(&*result.row, 1));
      rows_.emplace(asked, *result.row);
      say(fmt::format("{} {}: {}", at, describe(c), outcome(*result.row, runner_)));
    } catch (const bench::DoesNotFit& e) {
      result.why_not = e.what();
    }
    return result;
  }

  bench::Outcome measure(const bench::Target& t, bench::TrainingCase c,
                         const std::vector<float>& parameters) {
    bench::Outcome result{t, {}, "interrupted"};
    const std::string at = next();
    try {
      if (c.rows == bench::sweep_max) c.rows = bench::most_training_rows(backend_, c);
      say(fmt::format("{} {} ...", at, describe(c)));
      const auto measured = bench::measure_training(backend_, c, parameters, acceptance_.rule, interrupted_);
      if (!measured) return result;
      if (measured->plan) say("plan: " + describe(*measured->plan));
      ResultRow row;
      set_identity(row, command_line());
      fill_row(row, c, backend_name_, backend_, *measured);
      append_results(out_, std::span(&row, 1));
      say(fmt::format("{} {}: {}", at, describe(c), outcome(*measured)));
      result.row = std::move(row);
    } catch (const bench::DoesNotFit& e) {
      result.why_not = e.what();
    }
    return result;
  }

 private:
  std::string next() { return fmt::format("[{}/{}]", ++done_, acceptance_.targets.size()); }

  bench::Runner& runner_;
  Backend& backend_;
  const std::string& backend_name_;
  const bench::Acceptance& acceptance_;
  const bench::Interrupted& interrupted_;
  std::filesystem::path out_;
  size_t done_ = 0;
  std::map<std::string, ResultRow> rows_;
};

}  // namespace

void bench_acceptance(const AcceptanceOptions& options) {
  const auto start = Clock::now();
  const bench::Acceptance a = bench::load_acceptance(options.preset);
  const auto sources = sources_of(a, options.models);
  const std::string device = options.device.empty() ? a.device : options.device;
  std::filesystem::path out = options.out;
  if (out.empty()) out = std::filesystem::path(options.preset).stem().string() + ".csv";
  bench::open_results(out);  // what cannot be added to is refused before anything is measured
  const auto backend = backends().make(device);
  say(backend->device_name());
  check_against_reference(a, *backend, options.seed);

  InterruptGuard guard;
  const bench::Interrupted interrupted = [&] { return guard.requested(); };
  bench::Runner runner(*backend, {device, command_line(), options.seed, a.rule, say}, interrupted);
  print_ceilings(a.dtype, runner.ceilings(a.dtype));
  std::vector<bench::Outcome> outcomes;
  for (const bench::Target& t : a.targets) outcomes.push_back({t, {}, "interrupted"});
  Judge judge(runner, *backend, device, a, interrupted, out);
  for (const auto& [name, source] : sources) {
    std::unique_ptr<InferenceModel> model;
    std::vector<float> parameters;
    for (bench::Outcome& o : outcomes) {
      if (o.target.model != name || guard.requested()) continue;
      if (parameters.empty()) parameters = parameters_of(source, options.seed);
      if (o.target.is_training()) {
        model.reset();
        o = judge.measure(o.target, training_case_of(o.target, source, options.seed), parameters);
        continue;
      }
      if (!model) model = backend->inference(source.spec, parameters, a.dtype);
      o = judge.measure(o.target, case_of(o.target, source, a.dtype), *model);
    }
  }

  fmt::print("{}", table(outcomes));
  const auto missed =
      std::count_if(outcomes.begin(), outcomes.end(), [](const auto& o) { return !o.reached(); });
  say(fmt::format("{} of {} targets reached in {:.0f} s; rows are in {}",
                  outcomes.size() - static_cast<size_t>(missed), outcomes.size(),
                  std::chrono::duration<double>(Clock::now() - start).count(), out.string()));
  if (missed > 0) throw Error(fmt::format("{} of {} targets were not reached", missed, outcomes.size()));
}

}  // namespace photon
