// SPDX-License-Identifier: Apache-2.0
#include "trainer/config.h"

#include <fmt/format.h>

#include <limits>

#include "core/base/config.h"

namespace photon::trainer {
namespace {

constexpr int64_t largest_count = int64_t{1} << 40;
constexpr double largest_number = 1e30;
constexpr double largest_beta = 0.999999;   // a float below 1 with its complement to two digits
constexpr double smallest_epsilon = 1e-30;  // above a float's subnormal numbers

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

constexpr std::string_view model_prefix = "model.";

/// `model.vocab=4096` is for the spec that the config names.
std::vector<std::string> model_overrides(const std::vector<std::string>& overrides) {
  std::vector<std::string> out;
  for (const std::string& o : overrides) {
    if (o.starts_with(model_prefix)) out.push_back(o.substr(model_prefix.size()));
  }
  return out;
}

std::vector<std::string> own_overrides(std::vector<std::string> overrides) {
  std::erase_if(overrides, [](const std::string& o) { return o.starts_with(model_prefix); });
  return overrides;
}

void read_optimizer(const ConfigTable& root, TrainConfig& c) {
  c.learning_rate = root.number("learning_rate", 0.0, 1e3);
  c.warmup = root.integer("warmup", 0, largest_count, 0);
  const std::string shape = root.choice("schedule", {"cosine", "linear", "constant"}, "cosine");
  c.schedule = shape == "cosine"   ? RateShape::cosine
               : shape == "linear" ? RateShape::linear
                                   : RateShape::constant;
  const bool stays = c.schedule == RateShape::constant;
  c.final_fraction = root.number("final_fraction", 0.0, 1.0, stays ? 1.0 : 0.1);
  if (stays && c.final_fraction != 1.0) {
    root.fail("final_fraction", "the rate of schedule = \"constant\" ends at its peak; leave this key out");
  }
  const AdamWStep usual;
  c.adam_beta1 = root.number("adam_beta1", 0.0, largest_beta, usual.beta1);
  c.adam_beta2 = root.number("adam_beta2", 0.0, largest_beta, usual.beta2);
  c.adam_epsilon = root.number("adam_epsilon", smallest_epsilon, 1.0, usual.epsilon);
  c.weight_decay = root.number("weight_decay", 0.0, 1e3, usual.weight_decay);
  if (!(c.learning_rate * c.weight_decay < 1.0)) {
    root.fail("weight_decay", fmt::format("{} times learning_rate = {} is {}: a step would take more than "
                                          "the whole weight away",
                                          c.weight_decay, c.learning_rate, c.learning_rate * c.weight_decay));
  }
}

TrainConfig read(const ConfigDocument& document) {
  const ConfigTable root = document.root();
  TrainConfig c;
  c.model = root.text("model");
  c.model_set = root.texts("model_set", std::vector<std::string>{});
  c.data = root.text("data");
  c.out = root.text("out");
  c.device = root.text("device", "cpu");
  c.seed = static_cast<uint64_t>(root.integer("seed", 0, std::numeric_limits<int64_t>::max(), 0));
  c.batch = root.integer("batch", 1, largest_count);
  c.micro_batch = root.integer("micro_batch", 0, largest_count, c.batch);
  c.context = root.integer("context", 2, largest_count);
  read_optimizer(root, c);
  c.budget = read_budget(root);
  const std::string match = root.choice("match", {"none", "flops", "tokens"}, "none");
  c.match = match == "flops" ? Match::flops : match == "tokens" ? Match::tokens : Match::none;
  c.match_model = root.text("match_model", "");
  c.extend = root.boolean("extend", false);
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

  if (c.batch > largest_count / c.context) {
    root.fail("batch", fmt::format("{} sequences of context = {} are more than {} tokens a step", c.batch,
                                   c.context, largest_count));
  }
  if (c.micro_batch > 0 && c.batch % c.micro_batch != 0) {
    root.fail("micro_batch", fmt::format("{} does not divide batch = {}", c.micro_batch, c.batch));
  }
  if ((c.match == Match::none) != c.match_model.empty()) {
    root.fail("match_model", c.match == Match::none ? "given without match = \"flops\" or \"tokens\""
                                                    : "missing; match needs the spec of the model to match");
  }
  return c;
}

TrainConfig with_model_overrides(TrainConfig config, const std::vector<std::string>& overrides) {
  for (std::string& o : model_overrides(overrides)) config.model_set.push_back(std::move(o));
  return config;
}

}  // namespace

TrainConfig load_train_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return with_model_overrides(read(load_config(file, own_overrides(overrides))), overrides);
}

TrainConfig parse_train_config(std::string_view toml, const std::string& source_name,
                               const std::vector<std::string>& overrides) {
  return with_model_overrides(read(parse_config(toml, source_name, own_overrides(overrides))), overrides);
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
  std::string set;
  for (const std::string& o : c.model_set) set += (set.empty() ? "" : ", ") + toml_text(o);
  line("model_set", "[" + set + "]");
  line("data", toml_text(c.data.string()));
  line("out", toml_text(c.out.string()));
  line("device", toml_text(c.device));
  line("seed", fmt::to_string(c.seed));
  line("batch", fmt::to_string(c.batch));
  line("micro_batch", fmt::to_string(c.micro_batch));
  line("context", fmt::to_string(c.context));
  line("learning_rate", toml_number(c.learning_rate));
  line("warmup", fmt::to_string(c.warmup));
  line("schedule", toml_text(to_string(c.schedule)));
  if (c.schedule != RateShape::constant) line("final_fraction", toml_number(c.final_fraction));
  line("adam_beta1", toml_number(c.adam_beta1));
  line("adam_beta2", toml_number(c.adam_beta2));
  line("adam_epsilon", toml_number(c.adam_epsilon));
  line("weight_decay", toml_number(c.weight_decay));
  line("budget", fmt::format("{{{} = {}}}", kind, toml_number(c.budget.amount)));
  line("match", toml_text(to_string(c.match)));
  if (c.match != Match::none) line("match_model", toml_text(c.match_model.string()));
  line("extend", c.extend ? "true" : "false");
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

}  // namespace photon::trainer
