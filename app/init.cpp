// SPDX-License-Identifier: Apache-2.0
// photon init: a checkpoint with fresh weights.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/output_folder.h"
#include "core/model/checkpoint.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"

namespace photon::app {
namespace {

struct Options {
  std::filesystem::path model;
  std::filesystem::path out;
  uint64_t seed = 0;
  std::vector<std::string> overrides;
  bool force = false;
};

void run(const Options& options) {
  require_free(options.out, options.force);
  const ModelSpec spec = load_model_spec(options.model, options.overrides);
  save_checkpoint(options.out, spec, initial_parameters(spec, options.seed));
  fmt::print(stderr, "{}: {} ({}), seed {}, {} tensors, {} parameters\n", options.out.string(), spec.name,
             spec.architecture(), options.seed, parameter_list(spec).size(), parameters_total(spec));
}

void setup(CommandLine& app) {
  const auto options = std::make_shared<Options>();
  CommandLine command = app.add_subcommand("init", "Write a checkpoint with fresh weights");
  command.add_model(options->model).required();
  command.add_option("--seed", options->seed, "Seed of the weights")
      .required()
      .type_name("N")
      .check(non_negative_number());
  command.add_out(options->out, "DIR", "Checkpoint folder to make").required();
  command.add_overrides(options->overrides, "Override a key of the spec: width=64, level.1.chunk=8");
  command.add_flag("--force", options->force, "Replace an existing checkpoint");
  command.footer("Example:\n  photon init photon-tiny --seed 1 --out fresh");
  command.callback([options] { run(*options); });
}

const RegisterCommand registered{20, setup};

}  // namespace
}  // namespace photon::app
