// SPDX-License-Identifier: Apache-2.0
// photon inspect: what a model spec amounts to, before anything runs.
#include "core/cost/inspect.h"

#include <fmt/format.h>

#include <memory>

#include "app/command.h"
#include "app/json.h"
#include "core/model/model_config.h"

namespace photon::app {
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
  command.add_model(options->model).required();
  command.add_option("--context", options->context, "Tokens that KV and FLOPs are taken at")
      .capture_default_str();
  command.add_format(options->format);
  command.add_overrides(options->overrides, "Override a key of the spec: level.1.chunk=4");
  command.footer("csv has the modules.\nExample:\n  photon inspect photon-600m");
  command.callback([options] {
    const Inspection result = inspect(load_model_spec(options->model, options->overrides), options->context);
    if (options->format == "md") {
      fmt::print("{}", to_markdown(result));
    } else {
      const auto json = nlohmann::ordered_json::parse(to_json(result));
      print_json(json, json["modules"], options->format);
    }
  });
}

const RegisterCommand registered{10, setup};

}  // namespace
}  // namespace photon::app
