// SPDX-License-Identifier: Apache-2.0
#include "app/reproduce/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/known_configs.h"
#include "core/base/paths.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"

namespace photon::app {
namespace {

using namespace trainer;

constexpr int64_t most = int64_t{1} << 40;

std::filesystem::path shared(const std::string& path) {
  return std::filesystem::exists(path) ? std::filesystem::path(path) : share_folder() / path;
}

StudyTraining read_training(const ConfigTable& t) {
  StudyTraining out;
  out.context = t.integer("context", 2, 1 << 20);
  out.micro_batch = t.integer("micro_batch", 0, 1 << 20, 1 << 20);
  out.recompute = parse_recompute(t.choice("recompute", {"none", "inner", "layer"}, "none"));
  out.warmup = t.number("warmup", 0.0, 1.0);
  out.tokens = t.number("tokens", 1.0, 1e18);
  out.match = t.choice("match", {"flops", "tokens"}) == "flops" ? Match::flops : Match::tokens;
  out.loss.alpha = t.number("alpha", 0.0, 1e3, 0.0);
  out.loss.beta = t.number("beta", 0.0, 1e3, 0.0);
  out.validations = t.integer("validations", 0, most, 0);
  out.validation_rows = t.integer("validation_rows", 0, 1 << 20, 0);
  out.checkpoint_minutes = t.number("checkpoint_minutes", 0.0, 1e5, 1.0);
  return out;
}

Rung read_rung(const ConfigTable& t) {
  return {.batch = t.integer("batch", 1, 1 << 20), .learning_rate = t.number("learning_rate", 1e-9, 1.0)};
}

/// Batch and rate of each model: its entry in [chosen.flops] or [chosen.tokens], else those of
/// [training].
void read_rungs(const ConfigTable& training, const std::optional<ConfigTable>& chosen, StudyConfig& c) {
  // All are read, whatever the match and the models: a study holds the choice for either match, and may be
  // run with some of its models or with others.
  for (const Match match : {Match::flops, Match::tokens}) {
    const auto table = chosen ? chosen->table(to_string(match)) : std::nullopt;
    for (const std::string& name : table ? table->keys() : std::vector<std::string>{}) {
      const Rung rung = read_rung(table->table(name).value());
      for (StudyModel& model : c.models) {
        if (model.spec.name == name && match == c.training.match) model.rung = rung;
      }
    }
  }
  const bool missing =
      std::any_of(c.models.begin(), c.models.end(), [](const StudyModel& m) { return m.rung.batch == 0; });
  for (const char* key : {"batch", "learning_rate"}) {
    if (!missing && training.has(key) && training.where(key).starts_with("--set")) {
      training.fail(key,
                    fmt::format("every model has its own: --set 'chosen.{}.{}={{batch = 4, learning_rate = "
                                "1e-3}}' changes one",
                                to_string(c.training.match), c.models.front().spec.name));
    }
  }
  if (!missing && !training.has("batch") && !training.has("learning_rate")) return;
  const Rung others = read_rung(training);
  for (StudyModel& model : c.models) {
    if (model.rung.batch == 0) model.rung = others;
  }
}

/// The rows of the ladder that trained this model as the study would: as long, on this corpus.
std::vector<Tried> tried(const StudyConfig& c, const StudyModel& model, std::span<const ResultRow> rows) {
  std::vector<Tried> found;
  for (const ResultRow& row : rows) {
    if (row.text("kind") != "ladder" || row.text("model") != model.spec.name ||
        row.text("match") != to_string(c.training.match) || !row.text("corpus").starts_with(c.source + "/") ||
        row.number("parameters") != static_cast<double>(parameters_total(model.spec)) ||
        row.number("length") != static_cast<double>(c.training.context))
      continue;
    const auto one = tried_in(row);
    if (!one) continue;
    const RunLength length = training_length(c, model, one->rung);
    if (row.number("training_tokens") != static_cast<double>(length.tokens(length.steps))) continue;
    found.push_back(*one);
  }
  return found;
}

/// Says of each model whether the ladder's rows stand behind its rung.
void check_ladder(const ConfigTable& chosen, const std::string& name, StudyConfig& c) {
  const std::vector<ResultRow> rows = read_results(shared(name));
  for (StudyModel& model : c.models) {
    const std::vector<Tried> all = tried(c, model, rows);
    if (all.empty()) continue;  // another length or corpus: the ladder says nothing of this study
    const Tried& best = best_of(all);
    if (best.rung != model.rung) {
      chosen.fail("ladder",
                  fmt::format("{} has {} (batch x rate) as the best of {} under match = \"{}\", {:.4f} nats "
                              "a token, not {}",
                              name, to_string(best.rung), model.spec.name, to_string(c.training.match),
                              best.loss, to_string(model.rung)));
    }
    Ladder whole = ladder_of(all);
    if (!extend(whole, best.rung)) model.ladder = name;
  }
}

}  // namespace

StudyConfig load_study(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  const ConfigDocument document = load_config(file, overrides);
  const ConfigTable root = document.root();
  StudyConfig c;
  c.name = root.text("name");
  c.device = root.text("device", "cpu");
  for (const int64_t seed : root.integers("seeds", 0, most)) c.seeds.push_back(static_cast<uint64_t>(seed));
  if (c.seeds.empty()) root.fail("seeds", "is empty; at least one seed");
  const std::vector<std::string> models = root.texts("models");
  if (models.empty()) root.fail("models", "is empty; at least one model spec");

  const auto section = [&](std::string_view key) {
    const auto table = root.table(key);
    if (!table) throw Error(fmt::format("{}: no [{}] section", root.where(), key));
    return *table;
  };
  const ConfigTable corpus = section("corpus");
  c.source = corpus.text("source");
  c.vocab = corpus.integer("vocab", 260, 65536);
  c.validation = corpus.number("validation", 1e-6, 0.5);
  c.test = corpus.number("test", 1e-6, 0.5);

  const ConfigTable training = section("training");
  c.training = read_training(training);
  const auto chosen = root.table("chosen");
  const std::string ladder = chosen ? chosen->text("ladder", "") : "";
  if (const auto rungs = root.table("ladder")) {
    c.ladder.batches = rungs->integers("batches", 1, 1 << 20);
    c.ladder.learning_rates = rungs->numbers("learning_rates", 1e-9, 1.0);
    for (const std::string_view key : {"batches", "learning_rates"}) {
      const auto rises = [&](const auto& list) {
        return !list.empty() &&
               std::adjacent_find(list.begin(), list.end(), std::greater_equal<>()) == list.end();
      };
      if (!(key == "batches" ? rises(c.ladder.batches) : rises(c.ladder.learning_rates)))
        rungs->fail(key, "must rise from entry to entry");
    }
    c.ladder_seed = static_cast<uint64_t>(rungs->integer("seed", 0, most));
    c.ladder_models = rungs->texts("models", std::vector<std::string>{});
  }

  const ConfigTable bench = section("bench");
  c.regimes = bench.text("regimes");
  c.batches = bench.text("batches");
  c.bench_seconds = bench.number("seconds", 0.01, 1e5, 3.0);
  c.recgen_prompt = bench.integer("recgen_prompt", 0, c.training.context, 0);

  const ConfigTable dry = section("dry_run");
  c.hardware = find_config(ConfigKind::hardware, dry.text("hardware"));
  c.mfu = dry.number("mfu", 1e-4, 1.0);
  for (const std::string& path : models) {
    const auto model = find_config(ConfigKind::model, path);
    StudyModel entry{model, load_model_spec(model, {fmt::format("vocab={}", c.vocab)})};
    const bool sets_budget = entry.spec.depth() >= 2 || c.models.empty();
    entry.matched = sets_budget ? c.models.size() : c.models.back().matched;
    c.models.push_back(std::move(entry));
    const int64_t b = c.models.back().spec.meta_context();
    if (c.training.context % b != 0) {
      throw Error(
          fmt::format("{}: a context of {} tokens does not divide by the {} tokens of {}'s meta-context",
                      file.string(), c.training.context, b, c.models.back().spec.name));
    }
  }
  read_rungs(training, chosen, c);
  for (const std::string& name : c.ladder_models) {
    if (std::none_of(c.models.begin(), c.models.end(),
                     [&](const StudyModel& m) { return m.spec.name == name; }))
      root.table("ladder")->fail("models", fmt::format("{} is no model of this study", name));
  }
  root.finish();
  c.resolved = document.resolved();
  if (!ladder.empty()) check_ladder(*chosen, ladder, c);
  return c;
}

std::optional<Tried> tried_in(const ResultRow& row) {
  const auto batch = row.number("training_batch");
  const auto rate = row.number("learning_rate");
  const auto loss = row.text("stop") == diverged_stop ? std::optional(std::numeric_limits<double>::infinity())
                                                      : row.number("token_nll");
  if (!batch || !rate || !loss || *batch < 1.0) return std::nullopt;
  return Tried{{std::llround(*batch), *rate}, *loss};
}

TrainConfig train_config(const StudyConfig& study, const StudyModel& model, const Rung& rung, uint64_t seed,
                         const std::filesystem::path& out) {
  const StudyTraining& t = study.training;
  TrainConfig c;
  c.model = model.file;
  c.out = out;
  c.device = study.device;
  c.seed = seed;
  c.batch = rung.batch;
  // The largest part of the batch that is no larger than the study allows at once.
  c.micro_batch = t.micro_batch == 0 ? 0 : std::gcd(rung.batch, std::min(t.micro_batch, rung.batch));
  c.recompute = t.recompute;
  c.context = t.context;
  c.learning_rate = rung.learning_rate;
  c.budget = {Budget::Kind::tokens, t.tokens};
  c.loss = t.loss;
  c.checkpoint_minutes = t.checkpoint_minutes;
  const StudyModel& matched = study.models[model.matched];
  if (matched.file != model.file) {
    c.match = t.match;
    c.match_model = matched.file;
  }
  const double steps = static_cast<double>(run_length(c, model.spec, &matched.spec).steps);
  c.warmup = std::llround(t.warmup * steps);
  c.validation_every =
      t.validations == 0 ? 0 : std::max<int64_t>(1, std::llround(steps / static_cast<double>(t.validations)));
  c.validation_batches = (t.validation_rows + rung.batch - 1) / rung.batch;
  return c;
}

RunLength training_length(const StudyConfig& study, const StudyModel& model, const Rung& rung) {
  return run_length(train_config(study, model, rung, 0, {}), model.spec, &study.models[model.matched].spec);
}

}  // namespace photon::app
