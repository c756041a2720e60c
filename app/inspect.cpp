// SPDX-License-Identifier: Apache-2.0
// photon inspect: what a model spec amounts to, before anything runs.
#include "core/cost/inspect.h"

#include <fmt/format.h>

#include <memory>

#include "app/command.h"
#include "core/model/model_config.h"

namespace photon {
namespace {

struct Options {
  std::string model;
  std::string format = "md";
  std::vector<std::string> overrides;
  int64_t context = 2048;
};

void setup(CommandLine& app) {
  auto options = std::make_shared<Options>();
  CommandLine command =
      app.add_subcommand("inspect", "Parameters by module, KV bytes and FLOPs a token of a model spec");
  command.add_option("model", options->model, "model spec (TOML)").required();
  command.add_option("--format", options->format, "md or json")
      .check(one_of({"md", "json"}))
      .capture_default_str();
  command.add_option("--set", options->overrides, "override a key: level.1.chunk=4").allow_extra_args(false);
  command.add_option("--context", options->context, "tokens that KV and FLOPs are taken at")
      .capture_default_str();
  command.callback([options] {
    const Inspection result = inspect(load_model_spec(options->model, options->overrides), options->context);
    fmt::print("{}", options->format == "json" ? to_json(result) : to_markdown(result));
  });
}

const RegisterCommand registered{10, setup};

}  // namespace
}  // namespace photon
