// SPDX-License-Identifier: Apache-2.0
#include "app/benchmarks/acceptance.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "app/benchmarks/words.h"
#include "app/command.h"
#include "app/command_line.h"
#include "app/model_source.h"
#include "bench/acceptance.h"
#include "bench/agreement.h"
#include "bench/output.h"
#include "bench/products.h"
#include "bench/runner.h"
#include "bench/sweep.h"
#include "bench/training.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/cost/training_floor.h"

namespace photon::app {
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

/// What all of it may take, from the construction on.
class Budget {
 public:
  explicit Budget(std::optional<double> seconds) : seconds_(seconds) {}

  double spent() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  bool is_spent() const { return seconds_ && spent() >= *seconds_; }
  std::string in_words() const {
    return fmt::format("the budget of {:g} s was spent", seconds_.value_or(0.0));
  }

 private:
  Clock::time_point start_ = Clock::now();
  std::optional<double> seconds_;
};

/// Measures targets, one row for several of the same case.
class Judge {
 public:
  Judge(bench::Runner& runner, Backend& backend, const std::string& backend_name, bench::SamplingRule rule,
        const bench::Interrupted& interrupted, std::filesystem::path out)
      : runner_(runner),
        backend_(backend),
        backend_name_(backend_name),
        rule_(std::move(rule)),
        interrupted_(interrupted),
        out_(std::move(out)) {}

  /// Without a row only if interrupted.
  std::optional<ResultRow> measure(const std::string& at, bench::Case c, InferenceModel& model) {
    const std::string asked = describe(c);
    if (const auto it = rows_.find(asked); it != rows_.end()) return it->second;
    if (c.batch == bench::sweep_max) {
      const auto batch = runner_.largest_batch(c, model);
      if (!batch) return std::nullopt;
      c.batch = *batch;
    }
    say(fmt::format("{} {} ...", at, describe(c)));
    const auto row = runner_.measure(c, model);
    if (!row) return std::nullopt;
    keep(*row);
    rows_.emplace(asked, *row);
    say(fmt::format("{} {}: {}", at, describe(c), outcome(*row, runner_)));
    return row;
  }

  std::optional<ResultRow> measure(const std::string& at, bench::TrainingCase c,
                                   const std::vector<float>& parameters) {
    if (c.rows == bench::sweep_max) c.rows = bench::most_training_rows(backend_, c);
    say(fmt::format("{} {} ...", at, describe(c)));
    const auto measured = bench::measure_training(backend_, c, parameters, rule_, interrupted_);
    if (!measured) return std::nullopt;
    if (measured->plan) say("plan: " + describe(*measured->plan));
    ResultRow row;
    set_identity(row, command_line());
    fill_row(row, c, backend_name_, backend_, *measured);
    keep(row);
    say(fmt::format("{} {}: {}", at, describe(c), outcome(*measured)));
    return row;
  }

 private:
  void keep(const ResultRow& row) {
    append_results(out_, std::span(&row, 1));
    bench::keep_products(backend_, out_);
  }

  bench::Runner& runner_;
  Backend& backend_;
  const std::string& backend_name_;
  bench::SamplingRule rule_;
  const bench::Interrupted& interrupted_;
  std::filesystem::path out_;
  std::map<std::string, ResultRow> rows_;
};

/// The model that the last target was about: targets of one model that follow each other share it.
class Loaded {
 public:
  Loaded(Backend& backend, const bench::Acceptance& a, const std::map<std::string, ModelSource>& sources,
         uint64_t seed)
      : backend_(backend), acceptance_(a), sources_(sources), seed_(seed) {}

  const ModelSource& select(const std::string& name) {
    if (name != name_) {
      model_.reset();
      parameters_ = parameters_of(sources_.at(name), seed_);
      name_ = name;
    }
    return sources_.at(name_);
  }
  const std::vector<float>& parameters() const { return parameters_; }
  InferenceModel& model() {
    if (!model_) model_ = backend_.inference(sources_.at(name_).spec, parameters_, acceptance_.dtype);
    return *model_;
  }
  /// The device's memory is needed.
  void release() { model_.reset(); }

 private:
  Backend& backend_;
  const bench::Acceptance& acceptance_;
  const std::map<std::string, ModelSource>& sources_;
  uint64_t seed_;
  std::string name_;
  std::vector<float> parameters_;
  std::unique_ptr<InferenceModel> model_;
};

std::optional<ResultRow> measure(Judge& judge, Loaded& loaded, const std::string& at, const bench::Target& t,
                                 const bench::Acceptance& a, uint64_t seed) {
  const ModelSource& source = loaded.select(t.model);
  if (!t.is_training()) return judge.measure(at, case_of(t, source, a.dtype), loaded.model());
  loaded.release();
  return judge.measure(at, training_case_of(t, source, seed), loaded.parameters());
}

/// rows.csv -> rows.md, where the table stands after every row: whatever ends the program, what was measured
/// can be read.
std::filesystem::path table_file(const std::filesystem::path& results) {
  return std::filesystem::path(results).replace_extension("md");
}

}  // namespace

void bench_acceptance(const AcceptanceOptions& options) {
  const Budget budget(options.budget);
  const bench::Acceptance a = bench::load_acceptance(options.preset);
  const auto sources = sources_of(a, options.models);
  const std::string device = options.device.empty() ? a.device : options.device;
  const std::filesystem::path& out = options.out;
  bench::open_results(out);  // what cannot be added to is refused before anything is measured
  const auto backend = backends().make(device);
  say(backend->device_name());
  check_against_reference(a, *backend, options.seed);

  InterruptGuard guard;
  const bench::Interrupted interrupted = [&] { return guard.requested(); };
  bench::SamplingRule rule = a.rule;
  rule.enough = [&] { return budget.is_spent(); };
  bench::Runner runner(*backend, {device, command_line(), options.seed, rule, say}, interrupted);
  print_ceilings(a.dtype, runner.ceilings(a.dtype));
  std::vector<bench::Outcome> outcomes;
  for (const bench::Target& t : a.targets) outcomes.push_back({t, {}, "not yet"});
  Judge judge(runner, *backend, device, rule, interrupted, out);
  Loaded loaded(*backend, a, sources, options.seed);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    bench::Outcome& o = outcomes[i];
    const std::string at = fmt::format("[{}/{}]", i + 1, outcomes.size());
    o.why_not = guard.requested() ? "interrupted" : budget.in_words();
    if (!guard.requested() && !budget.is_spent()) {
      try {
        o.row = measure(judge, loaded, at, o.target, a, options.seed);
        o.why_not = "interrupted";
      } catch (const Error& e) {
        o.why_not = e.what();
        say(fmt::format("{} {}: {}", at, o.target.what, e.what()));
      }
    }
    write_file_atomically(table_file(out), table(outcomes));
  }

  fmt::print("{}", table(outcomes));
  const auto missed =
      std::count_if(outcomes.begin(), outcomes.end(), [](const auto& o) { return !o.reached(); });
  say(fmt::format("{} of {} targets reached in {:.0f} s; rows are in {}, this table is in {}",
                  outcomes.size() - static_cast<size_t>(missed), outcomes.size(), budget.spent(),
                  out.string(), table_file(out).string()));
  if (missed > 0) throw Error(fmt::format("{} of {} targets were not reached", missed, outcomes.size()));
}

}  // namespace photon::app
