#include "trainer/config.h"

#include <fmt/format.h>

#include <limits>

#include "core/config.h"

namespace photon {
namespace {

constexpr int64_t largest_count = int64_t{1} << 40;
constexpr double largest_number = 1e30;

Budget read_budget(const ConfigTable& root) {
  const auto table = root.table("budget");
  if (!table) root.fail("budget", "missing; write budget = {steps = N}, {tokens = N} or {flops = N}");
  const std::vector<std::pair<std::string_view, Budget::Kind>> kinds{
      {"steps", Budget::Kind::steps}, {"tokens", Budget::Kind::tokens}, {"flops", Budget::Kind::flops}};
  Budget budget;
  int given = 0;
  for (const auto& [key, kind] : kinds) {
    if (!table->has(key)) continue;
    budget = {kind, table->number(key, 1.0, largest_number)};
    ++given;
  }
  table->finish();
  if (given != 1) root.fail("budget", fmt::format("{} budgets; give one of steps, tokens, flops", given));
  return budget;
}

TrainConfig read(const ConfigDocument& document) {
  const ConfigTable root = document.root();
  TrainConfig c;
  c.model = root.text("model");
  c.data = root.text("data");
  c.out = root.text("out");
  c.device = root.text("device", "cpu");
  c.seed = static_cast<uint64_t>(root.integer("seed", 0, std::numeric_limits<int64_t>::max(), 0));
  c.batch = root.integer("batch", 1, largest_count);
  c.micro_batch = root.integer("micro_batch", 0, largest_count, c.batch);
  c.context = root.integer("context", 2, largest_count);
  c.learning_rate = root.number("learning_rate", 0.0, 1e3);
  c.warmup = root.integer("warmup", 0, largest_count, 0);
  c.budget = read_budget(root);
  const std::string match = root.choice("match", {"none", "flops", "tokens"}, "none");
  c.match = match == "flops" ? Match::flops : match == "tokens" ? Match::tokens : Match::none;
  c.match_model = root.text("match_model", "");
  c.loss.alpha = root.number("alpha", 0.0, 1e6, 0.0);
  c.loss.beta = root.number("beta", 0.0, 1e6, 0.0);
  c.loss.distance = root.choice("distance", {"cosine", "squared"}, "cosine") == "cosine" ? Distance::cosine
                                                                                         : Distance::squared;
  c.loss.detach_targets = root.boolean("detach", true);
  c.recompute = parse_recompute(root.choice("recompute", {"none", "inner", "layer"}, "none"));
  c.clip = root.number("clip", 0.0, 1e6, 1.0);
  c.validation_every = root.integer("validation_every", 0, largest_count, 0);
  c.validation_batches = root.integer("validation_batches", 0, largest_count, 8);
  c.checkpoint_every = root.integer("checkpoint_every", 0, largest_count, 0);
  c.checkpoint_minutes = root.number("checkpoint_minutes", 0.0, 1e6, 10.0);
  c.mfu = root.boolean("mfu", true);
  root.finish();

  if (c.micro_batch > 0 && c.batch % c.micro_batch != 0) {
    root.fail("micro_batch", fmt::format("{} does not divide batch = {}", c.micro_batch, c.batch));
  }
  if ((c.match == Match::none) != c.match_model.empty()) {
    root.fail("match_model", c.match == Match::none ? "given without match = \"flops\" or \"tokens\""
                                                    : "missing; match needs the spec of the model to match");
  }
  return c;
}

}  // namespace

TrainConfig load_train_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return read(load_config(file, overrides));
}

TrainConfig parse_train_config(std::string_view toml, const std::string& source_name,
                               const std::vector<std::string>& overrides) {
  return read(parse_config(toml, source_name, overrides));
}

std::string_view to_string(Match match) {
  return match == Match::flops ? "flops" : match == Match::tokens ? "tokens" : "none";
}

std::string to_toml(const TrainConfig& c) {
  const std::string_view kind = c.budget.kind == Budget::Kind::steps    ? "steps"
                                : c.budget.kind == Budget::Kind::tokens ? "tokens"
                                                                        : "flops";
  std::string out;
  const auto line = [&](std::string_view key, const std::string& value) {
    out += fmt::format("{} = {}\n", key, value);
  };
  line("model", toml_text(c.model.string()));
  line("data", toml_text(c.data.string()));
  line("out", toml_text(c.out.string()));
  line("device", toml_text(c.device));
  line("seed", fmt::to_string(c.seed));
  line("batch", fmt::to_string(c.batch));
  line("micro_batch", fmt::to_string(c.micro_batch));
  line("context", fmt::to_string(c.context));
  line("learning_rate", toml_number(c.learning_rate));
  line("warmup", fmt::to_string(c.warmup));
  line("budget", fmt::format("{{{} = {}}}", kind, toml_number(c.budget.amount)));
  line("match", toml_text(to_string(c.match)));
  if (c.match != Match::none) line("match_model", toml_text(c.match_model.string()));
  line("alpha", toml_number(c.loss.alpha));
  line("beta", toml_number(c.loss.beta));
  line("distance", c.loss.distance == Distance::cosine ? "\"cosine\"" : "\"squared\"");
  line("detach", c.loss.detach_targets ? "true" : "false");
  line("recompute", toml_text(to_string(c.recompute)));
  line("clip", toml_number(c.clip));
  line("validation_every", fmt::to_string(c.validation_every));
  line("validation_batches", fmt::to_string(c.validation_batches));
  line("checkpoint_every", fmt::to_string(c.checkpoint_every));
  line("checkpoint_minutes", toml_number(c.checkpoint_minutes));
  line("mfu", c.mfu ? "true" : "false");
  return out;
}

}  // namespace photon
