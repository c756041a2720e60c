// SPDX-License-Identifier: Apache-2.0
#include "app/reproduce/stages.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/report/report.h"
#include "app/command_line.h"
#include "baselines/ngram.h"
#include "bench/regime.h"
#include "bench/runner.h"
#include "bench/sweep.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/base/paths.h"
#include "core/base/progress.h"
#include "core/base/random.h"
#include "core/model/checkpoint.h"
#include "core/model/model_config.h"
#include "core/text/corpus.h"
#include "core/text/token_file.h"
#include "core/text/tokenizer.h"
#include "trainer/quality_row.h"
#include "trainer/trainer.h"

namespace photon::app {
namespace {

using namespace trainer;

namespace fs = std::filesystem;

/// Of a stage whose rows are in memory: the file appears whole.
void write_results(const fs::path& file, std::span<const ResultRow> rows) {
  fs::remove(file);
  append_results(file, rows);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string describe(const StudyTrainingRun& run) {
  return fmt::format("{} seed {}, {}", run.model.spec.name, run.seed, to_string(run.rung));
}

std::vector<int32_t> all_tokens(const fs::path& file) {
  const TokenFile split(file);
  std::vector<int32_t> tokens(static_cast<size_t>(split.size()));
  split.read(0, tokens);
  return tokens;
}

/// A checkpoint of the study, ready to be scored.
struct TrainedModel {
  TrainedModel(Backend& backend, const fs::path& folder)
      : checkpoint(folder), dtype(backend.own_dtype()), tokenizer(folder / "tokenizer.model") {
    const Checkpoint loaded = load_checkpoint(folder);
    inference = backend.inference(loaded.spec, loaded.parameters, dtype);
  }

  ScoredCheckpoint scored(const std::string& corpus, int64_t context) const {
    ScoredCheckpoint s;
    s.checkpoint = checkpoint;
    s.training = load_run_state(checkpoint);
    s.corpus = corpus;
    s.dtype = dtype;
    s.context = context;
    return s;
  }

  fs::path checkpoint;
  DType dtype;
  Tokenizer tokenizer;
  std::unique_ptr<InferenceModel> inference;
};

Rung best_rung(const StudyModel& model, std::span<const Tried> tried) {
  try {
    return best_of(tried).rung;
  } catch (const Error& e) {
    throw Error(fmt::format("{}: {}: the study's [ladder] begins with rates that are too high",
                            model.spec.name, e.what()));
  }
}

}  // namespace

StudyRun::StudyRun(const StudyConfig& study, fs::path out, Backend& backend, Stages& stages)
    : study_(study), out_(std::move(out)), backend_(backend), stages_(stages), corpus_(out_ / "corpus") {}

StudyTrainingRun StudyRun::run_of(const StudyModel& model, uint64_t seed) const {
  return {model, model.rung, seed, out_ / "train" / fmt::format("{}-seed{}", model.spec.name, seed)};
}

fs::path StudyRun::results_file(const std::string& name) {
  fs::create_directories(out_ / "results");
  results_.push_back(out_ / "results" / (name + ".csv"));
  return results_.back();
}

void StudyRun::identify(ResultRow& row) const {
  set_identity(row, command_line());
  row.set("backend", study_.device);
  row.set("device", backend_.device_name());
  row.set("threads", backend_.threads());
}

std::vector<ResultRow> StudyRun::measure_all() {
  build_corpus();
  measure_text_baselines();
  for (const uint64_t seed : study_.seeds) {
    for (const StudyModel& model : study_.models) train(run_of(model, seed));
  }
  for (const StudyModel& model : study_.models) {
    for (const uint64_t seed : study_.seeds) evaluate(run_of(model, seed));
  }
  for (const StudyModel& model : study_.models) benchmark(model);
  std::vector<ResultRow> rows;
  for (const fs::path& file : results_) {
    for (ResultRow& row : read_results(file)) rows.push_back(std::move(row));
  }
  return rows;
}

void StudyRun::build_corpus() {
  CorpusConfig config;
  config.sources = {study_.source};
  config.vocab = study_.vocab;
  config.validation = study_.validation;
  config.test = study_.test;
  config.out = corpus_;
  config.replace = true;  // as everything in this folder that was made of other inputs
  const std::string inputs =
      fmt::format("{} {} {} {}", study_.source, study_.vocab, study_.validation, study_.test);
  stages_.run("corpus", corpus_ / "corpus.json", inputs, [&] {
    if (study_.source == "debian") {
      try {
        debian_source(out_ / "cache");
      } catch (const Error& e) {
        fmt::print(
            stderr,
            "photon: {}\nphoton: falling back to the seeded Markov source: every figure will say so, and say "
            "nothing about English\n",
            e.what());
        config.sources = {"markov"};
      }
    }
    photon::build_corpus(config);
  });
  const CorpusSummary summary = load_corpus_info(corpus_);
  corpus_name_ = summary.name;
  corpus_inputs_ = file_digest(corpus_ / "corpus.json");
}

void StudyRun::measure_text_baselines() {
  const fs::path file = results_file("text-baselines");
  stages_.run("text baselines", file, corpus_inputs_, [&] {
    std::vector<ResultRow> rows = text_baselines(corpus_, corpus_name_ + "/test", command_line());
    write_results(file, rows);
  });
}

bool StudyRun::train(const StudyTrainingRun& run) {
  const StudyModel& model = run.model;
  const fs::path& folder = run.folder;
  metrics_.push_back(folder / "metrics.csv");
  TrainConfig config = train_config(study_, model, run.rung, run.seed, folder);
  config.data = corpus_;
  config.mfu = !run.on_trial;
  // The run's own folder keeps the spec with the tokenizer's vocabulary in it.
  const std::string spec = to_toml(model.spec);
  const std::string inputs = fmt::format("{}\n{}\n{}\n{}", to_toml(config), spec,
                                         to_toml(study_.models[model.matched].spec), corpus_inputs_);
  // Anything but the same run, perhaps interrupted, is from other inputs and goes.
  const fs::path begun = folder / "begun";
  const fs::path diverged = folder / "diverged";
  stages_.run("train " + describe(run), folder / "done", inputs, [&] {
    const bool same = file_digest(begun) == fmt::format("{:016x}", stable_hash(inputs));
    if (!same) fs::remove_all(folder);
    fs::create_directories(folder);
    write_file_atomically(begun, inputs);
    write_file_atomically(folder / "model.toml", spec);
    config.model = folder / "model.toml";
    if (config.match != Match::none) {
      write_file_atomically(folder / "match.toml", to_toml(study_.models[model.matched].spec));
      config.match_model = folder / "match.toml";
    }
    try {
      const TrainResult result = trainer::train(config, backend_, true);
      if (!result.finished) {
        throw Error(fmt::format("interrupted after step {} of {}; the same command resumes from there",
                                result.step, result.steps));
      }
    } catch (const Diverged& e) {
      if (!run.on_trial) throw;
      fmt::print(stderr, "{} diverged, and counts as tried: {}\n", describe(run), e.what());
      write_file_atomically(diverged, e.what());
    }
    write_file_atomically(folder / "done", "");
  });
  return !fs::exists(diverged);
}

void StudyRun::evaluate(const StudyTrainingRun& run) {
  const StudyModel& model = run.model;
  const fs::path checkpoint = run.folder / "checkpoint";
  const fs::path file = results_file(fmt::format("eval-{}-seed{}", model.spec.name, run.seed));
  const std::string inputs =
      fmt::format("{} {} {} {} {}", corpus_inputs_, file_digest(checkpoint / "model.safetensors"),
                  study_.training.context, study_.recgen_prompt, model.ladder);
  stages_.run("evaluate " + describe(run), file, inputs, [&] {
    const TrainedModel trained(backend_, checkpoint);
    const std::vector<int32_t> tokens = all_tokens(corpus_ / "test.tokens");
    ScoredCheckpoint scored = trained.scored(corpus_name_ + "/test", study_.training.context);
    const ScoreOptions options{.context = scored.context};
    const TokenBytes bytes = trained.tokenizer.bytes_of(tokens);
    Progress progress("eval", std::ssize(tokens), "tokens");
    const auto show = [&](int64_t done, int64_t total) {
      progress.update(std::ssize(tokens) * done / total);
    };
    std::vector<ResultRow> rows;
    const auto add = [&](const Score& score) {
      scored.score = score;
      rows.push_back(quality_row(model.spec, scored));
      // In a study the match is everybody's, the model's too that sets the budget.
      rows.back().set("match", to_string(study_.training.match));
      rows.back().set("ladder", model.ladder);
      identify(rows.back());
    };
    add(score(*trained.inference, tokens, options, bytes, show));
    if (model.spec.depth() >= 2 && study_.recgen_prompt > 0) {
      const auto both = score_recgen(*trained.inference, tokens, options, study_.recgen_prompt,
                                     Schedule::unrolled, bytes, show);
      scored.prompt = study_.recgen_prompt;
      add(both.hiergen);
      scored.generation = Generation::recgen;
      scored.schedule = Schedule::unrolled;
      add(both.recgen);
    }
    progress.finish();
    write_results(file, rows);
  });
}

void StudyRun::benchmark(const StudyModel& model) {
  const fs::path checkpoint = run_of(model, study_.seeds.front()).folder / "checkpoint";
  const fs::path file = results_file(fmt::format("bench-{}", model.spec.name));
  const std::string inputs =
      fmt::format("{} {} {} {} {} {}", file_digest(checkpoint / "model.safetensors"), study_.regimes,
                  study_.batches, study_.bench_seconds, study_.device, backend_.device_name());
  stages_.run(fmt::format("benchmark {}", model.spec.name), file, inputs, [&] {
    const Checkpoint loaded = load_checkpoint(checkpoint);
    const auto inference = backend_.inference(loaded.spec, loaded.parameters, backend_.own_dtype());
    const InterruptGuard interrupt;
    const auto interrupted = [&] { return interrupt.requested(); };
    bench::RunnerOptions options;
    options.backend_name = study_.device;
    options.argv = command_line();
    options.rule.max_seconds = study_.bench_seconds;
    bench::Runner runner(backend_, options, interrupted);
    std::vector<ResultRow> rows;
    const auto measure = [&](const bench::Case& c) {
      fmt::print(stderr, "  {}\n", bench::describe(c));
      const auto row = runner.measure(c, *inference);
      if (!row) throw Error("interrupted; the same command measures this model again");
      rows.push_back(*row);
    };
    for (const bench::Regime& regime : bench::parse_regimes(study_.regimes)) {
      for (const int64_t batch : bench::parse_sweep(study_.batches, "bench.batches", true)) {
        bench::Case c{.spec = loaded.spec,
                      .checkpoint = checkpoint.string(),
                      .dtype = backend_.own_dtype(),
                      .regime = regime};
        if (batch == bench::sweep_max) {
          const auto largest = runner.largest_batch(c, *inference);
          if (!largest) throw Error("interrupted; the same command measures this model again");
          c.batch = *largest;
        } else {
          c.batch = batch;
        }
        measure(c);
        if (loaded.spec.depth() < 2) continue;
        c.generation = Generation::recgen;
        for (const Schedule schedule : {Schedule::streamed, Schedule::unrolled}) {
          c.schedule = schedule;
          measure(c);
        }
      }
    }
    write_results(file, rows);
  });
}

fs::path StudyRun::report() {
  analysis::ReportRequest request;
  request.results = results_;
  request.metrics = metrics_;
  request.paper_models = share_folder() / "configs" / "models";
  request.out = out_ / "report";
  std::string inputs;
  for (const fs::path& file : results_) inputs += file_digest(file) + " ";
  stages_.run("report", request.out / "index.html", inputs, [&] { analysis::write_report(request); });
  return request.out / "index.html";
}

ResultRow StudyRun::validation_row(const StudyModel& model, const fs::path& checkpoint) const {
  const TrainedModel trained(backend_, checkpoint);
  const std::vector<int32_t> tokens = all_tokens(corpus_ / "validation.tokens");
  ScoredCheckpoint scored = trained.scored(corpus_name_ + "/validation", study_.training.context);
  scored.score =
      score(*trained.inference, tokens, {.context = scored.context}, trained.tokenizer.bytes_of(tokens));
  return quality_row(model.spec, scored);
}

/// What was to be trained, and no loss.
ResultRow StudyRun::diverged_row(const StudyTrainingRun& run) const {
  const RunLength length = training_length(study_, run.model, run.rung);
  ResultRow row;
  set_model(row, run.model.spec);
  row.set("corpus", corpus_name_ + "/validation");
  row.set("training_seed", static_cast<int64_t>(run.seed));
  row.set("training_tokens", length.tokens(length.steps));
  row.set("training_flops", length.flops(length.steps));
  row.set("training_steps", length.steps);
  row.set("training_batch", run.rung.batch);
  row.set("learning_rate", run.rung.learning_rate);
  row.set("stop", diverged_stop);
  return row;
}

ResultRow StudyRun::try_rung(const StudyModel& model, const Rung& rung) {
  const std::string name = fmt::format("{}-{}x{:g}", model.spec.name, rung.batch, rung.learning_rate);
  const fs::path folder = out_ / "ladder" / to_string(study_.training.match);
  const StudyTrainingRun run{model, rung, study_.ladder_seed, folder / name, true};
  const bool trained = train(run);
  const fs::path checkpoint = run.folder / "checkpoint";
  const fs::path file = folder / (name + ".csv");
  const std::string inputs = fmt::format(
      "{} {}", corpus_inputs_, trained ? file_digest(checkpoint / "model.safetensors") : "diverged");
  stages_.run("score " + describe(run), file, inputs, [&] {
    ResultRow row = trained ? validation_row(model, checkpoint) : diverged_row(run);
    row.set("kind", "ladder");
    row.set("match", to_string(study_.training.match));
    row.set("length", study_.training.context);
    identify(row);
    write_results(file, std::vector{row});
  });
  return read_results(file).at(0);
}

std::vector<ResultRow> StudyRun::climb() {
  build_corpus();
  std::vector<ResultRow> rows;
  for (const StudyModel& model : study_.models) {
    if (!study_.ladder_models.empty() && !contains(study_.ladder_models, model.spec.name)) continue;
    Ladder ladder = study_.ladder;
    std::vector<ResultRow> own;
    for (bool longer = true; longer;) {
      own.clear();
      std::vector<Tried> all;
      for (const Rung& rung : ladder.rungs()) {
        own.push_back(try_rung(model, rung));
        all.push_back(tried_in(own.back()).value());
      }
      const Rung best = best_rung(model, all);
      longer = extend(ladder, best);
      fmt::print(stderr, "{}: best at {}{}\n", model.spec.name, to_string(best),
                 longer ? ", an edge of the ladder: longer" : "");
    }
    rows.insert(rows.end(), own.begin(), own.end());
  }
  write_results(out_ / "ladder.csv", rows);
  return rows;
}

}  // namespace photon::app
