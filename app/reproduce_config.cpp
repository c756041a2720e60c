#include "app/reproduce_config.h"

#include <fmt/format.h>

#include "core/config.h"
#include "core/error.h"
#include "core/model_config.h"
#include "core/paths.h"

namespace photon {
namespace {

constexpr int64_t most = int64_t{1} << 40;

std::filesystem::path shared(const std::string& path) {
  return std::filesystem::exists(path) ? std::filesystem::path(path) : share_folder() / path;
}

void read_training(const ConfigTable& t, TrainConfig& out) {
  out.context = t.integer("context", 2, 1 << 20);
  out.batch = t.integer("batch", 1, 1 << 20);
  out.micro_batch = t.integer("micro_batch", 0, out.batch, out.batch);
  if (out.micro_batch > 0 && out.batch % out.micro_batch != 0)
    t.fail("micro_batch", fmt::format("does not divide the batch of {}", out.batch));
  out.recompute = parse_recompute(t.choice("recompute", {"none", "inner", "layer"}, "none"));
  out.learning_rate = t.number("learning_rate", 1e-9, 1.0);
  out.warmup = t.integer("warmup", 0, most);
  out.budget = {Budget::Kind::tokens, t.number("tokens", 1.0, 1e18)};
  out.match = t.choice("match", {"flops", "tokens"}) == "flops" ? Match::flops : Match::tokens;
  out.loss.alpha = t.number("alpha", 0.0, 1e3, 0.0);
  out.loss.beta = t.number("beta", 0.0, 1e3, 0.0);
  out.validation_every = t.integer("validation_every", 0, most, 0);
  out.validation_batches = t.integer("validation_batches", 0, 1 << 20, 0);
  out.checkpoint_minutes = t.number("checkpoint_minutes", 0.0, 1e5, 1.0);
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

  read_training(section("training"), c.training);
  c.training.device = c.device;

  const ConfigTable bench = section("bench");
  c.regimes = bench.text("regimes");
  c.batches = bench.text("batches");
  c.bench_seconds = bench.number("seconds", 0.01, 1e5, 3.0);
  c.recgen_prompt = bench.integer("recgen_prompt", 0, c.training.context, 0);

  const ConfigTable dry = section("dry_run");
  c.hardware = shared(dry.text("hardware"));
  c.mfu = dry.number("mfu", 1e-4, 1.0);
  root.finish();
  c.resolved = document.resolved();

  for (const std::string& path : models) {
    const auto model = shared(path);
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
  return c;
}

}  // namespace photon
