// SPDX-License-Identifier: Apache-2.0
#include "trainer/run_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/known_configs.h"
#include "core/model/checkpoint.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"
#include "core/text/token_file.h"
#include "core/text/tokenizer.h"

namespace photon::trainer {
namespace {

namespace fs = std::filesystem;

fs::path training_tokens(const TrainConfig& config) {
  return config.data / "train.tokens";
}

bool names_vocabulary(const std::vector<std::string>& overrides) {
  return std::any_of(overrides.begin(), overrides.end(),
                     [](const std::string& o) { return o.starts_with("vocab="); });
}

/// Weights mean the tokens that they were trained on: a corpus by another tokenizer is another language.
void require_same_tokens(const TrainConfig& config, const RunModel& model, const TokenFile& tokens) {
  const fs::path file = model.checkpoint / "tokenizer.model";
  const bool known = fs::exists(file) && tokens.tokenizer_hash() != 0;
  if (tokens.vocab() <= model.spec.vocab && (!known || Tokenizer(file).hash() == tokens.tokenizer_hash()))
    return;
  throw Error(fmt::format(
      "{}: by a tokenizer of {} tokens that is not the one of {}, whose model has {}; build the corpus with "
      "photon corpus build --tokenizer {}",
      training_tokens(config).string(), tokens.vocab(), model.checkpoint.string(), model.spec.vocab,
      fs::exists(file) ? file.string() : "FILE.model, the tokenizer it was trained with"));
}

/// The corpus's vocabulary where it is larger and none was asked for.
void fit_vocabulary(const TrainConfig& config, ModelSpec& spec, const TokenFile& tokens) {
  if (tokens.vocab() == spec.vocab) return;
  if (tokens.vocab() > spec.vocab && !names_vocabulary(config.model_set)) {
    fmt::print(stderr, "{}: a vocabulary of {}, as {} has, in place of {}\n", spec.name, tokens.vocab(),
               config.data.string(), spec.vocab);
    spec.vocab = tokens.vocab();
    spec.validate();
  } else if (tokens.vocab() > spec.vocab) {
    throw Error(fmt::format("{}: a vocabulary of {}, {} was given one of {}; --set model.vocab={} or none",
                            training_tokens(config).string(), tokens.vocab(), spec.name, spec.vocab,
                            tokens.vocab()));
  } else {
    fmt::print(stderr,
               "{}: a vocabulary of {}, of which {} has {}: the rest is never trained (--set model.vocab={} "
               "leaves it out)\n",
               spec.name, spec.vocab, config.data.string(), tokens.vocab(), tokens.vocab());
  }
}

}  // namespace

RunModel run_model(const TrainConfig& config) {
  const TokenFile tokens(training_tokens(config));
  RunModel model;
  const fs::path source = find_config(ConfigKind::model, config.model);
  if (fs::is_directory(source)) {
    if (!config.model_set.empty()) {
      throw UsageError(fmt::format("model.{}: the weights in {} fit the shape they were trained with",
                                   config.model_set[0], source.string()));
    }
    model = {.spec = checkpoint_spec(source), .checkpoint = source};
    require_same_tokens(config, model, tokens);
    return model;
  }
  model.spec = load_model_spec(source, config.model_set);
  fit_vocabulary(config, model.spec, tokens);
  return model;
}

ModelSpec matched_spec(const TrainConfig& config) {
  const fs::path source = find_config(ConfigKind::model, config.match_model);
  const bool folder = fs::is_directory(source);
  ModelSpec spec = load_model_spec(folder ? source / "config.toml" : source);
  if (!folder) spec.vocab = std::max(spec.vocab, TokenFile(training_tokens(config)).vocab());
  return spec;
}

std::vector<float> first_parameters(const RunModel& model, uint64_t seed) {
  if (model.checkpoint.empty()) return initial_parameters(model.spec, seed);
  return load_checkpoint(model.checkpoint).parameters;
}

}  // namespace photon::trainer
