// SPDX-License-Identifier: Apache-2.0
// photon train: trains a model by a config, or resumes a run that was stopped.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/command.h"
#include "core/base/config.h"
#include "core/base/error.h"
#include "trainer/trainer.h"

namespace photon::app {
namespace {

using namespace trainer;

struct Options {
  std::filesystem::path config;
  std::vector<std::string> overrides;
  std::string device;
  std::filesystem::path out;
  bool resume = false;
};

void run(Options options) {
  if (!options.device.empty()) options.overrides.push_back("device=" + toml_text(options.device));
  if (!options.out.empty()) options.overrides.push_back("out=" + toml_text(options.out.string()));
  const TrainConfig config = load_train_config(options.config, options.overrides);
  const auto backend = backends().make(config.device);
  const TrainResult result = train(config, *backend, options.resume);
  if (!result.finished) {
    throw Error(fmt::format("stopped after step {} of {}; resume with: photon train {} --resume", result.step,
                            result.steps, (config.out / "train.toml").string()));
  }
  fmt::print(stderr, "{}: {} steps, {} tokens, {:.3g} training FLOPs{}\n", result.checkpoint.string(),
             result.steps, result.tokens, result.flops,
             result.validation ? fmt::format(", validation loss {:.4f}", result.validation->token) : "");
}

void setup(CommandLine& app) {
  const auto options = std::make_shared<Options>();
  CommandLine command = app.add_subcommand("train", "Train a model, or resume a run that was stopped");
  command.add_option("config", options->config, "Training config: a name (photon list) or a file")
      .required()
      .type_name("CONFIG")
      .names(ConfigKind::training);
  command.add_flag(
      "--resume", options->resume,
      "Resume from the run's last checkpoint as if it had never stopped; from the start if there is none");
  command.add_overrides(
      options->overrides,
      "Override a key of the config: seed=2, budget.steps=500; of the model: model.width=64");
  command.add_device(options->device);
  command.add_out(options->out, "DIR", "Folder of the run; unset: what the file says");
  command.footer(
      "A run made longer, on the schedule of its new length from there on:\n"
      "  photon train RUN/train.toml --resume --set extend=true --set budget.steps=2000\n"
      "A new run from the weights of a checkpoint:\n"
      "  photon train CONFIG.toml --set model=CHECKPOINT --out DIR\n"
      "All keys are in docs/training.md.\n"
      "Example:\n"
      "  photon train photon-tiny --set data=out/corpus");
  command.callback([options] { run(*options); });
}

const RegisterCommand registered{50, setup};

}  // namespace
}  // namespace photon::app
