// SPDX-License-Identifier: Apache-2.0
// photon list: what is known by name.
#include <fmt/format.h>

#include <array>
#include <functional>
#include <memory>
#include <string_view>

#include "app/command.h"
#include "app/json.h"
#include "core/base/config.h"
#include "core/base/table.h"
#include "core/cost/hardware.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"

namespace photon::app {
namespace {

std::string describe_model(const std::filesystem::path& file) {
  const ModelSpec spec = load_model_spec(file);
  std::string chunks;
  for (const LevelSpec& level : spec.levels)
    chunks += fmt::format("{}{}", chunks.empty() ? "" : "x", level.chunk);
  return fmt::format("{}{}, {:.4g} M parameters", spec.architecture(), chunks.empty() ? "" : " " + chunks,
                     static_cast<double>(parameters_total(spec)) / 1e6);
}

std::string describe_hardware(const std::filesystem::path& file) {
  const Hardware h = load_hardware(file);
  return fmt::format("{}, {:.4g} GB", h.name, static_cast<double>(h.memory_bytes) / 1e9);
}

/// The "name" of a study; of the others the model or the device that they say.
std::string describe_config(const std::filesystem::path& file) {
  const ConfigDocument document = load_config(file);
  const ConfigTable root = document.root();
  for (const char* key : {"name", "model"}) {
    if (root.has(key)) return root.text(key);
  }
  return (root.has("sweep") ? "a sweep on " : "targets on ") + root.text("device");
}

struct Kind {
  std::string_view word;  ///< as `photon list` takes it
  ConfigKind kind;
  std::string (*describe)(const std::filesystem::path& file);
};
constexpr auto kinds = std::to_array<Kind>({{"models", ConfigKind::model, describe_model},
                                            {"hardware", ConfigKind::hardware, describe_hardware},
                                            {"studies", ConfigKind::study, describe_config},
                                            {"presets", ConfigKind::preset, describe_config},
                                            {"training", ConfigKind::training, describe_config}});

struct Options {
  std::string kind;
  std::string format = "md";
};

void run(const Options& o) {
  auto rows = nlohmann::ordered_json::array();
  std::array<TableColumn, 3> table{{{"kind", {}, true}, {"name", {}, true}, {"what", {}, true}}};
  const auto add = [&](const std::string& kind, const std::string& name, const std::string& what) {
    rows.push_back({{"kind", kind}, {"name", name}, {"what", what}});
    table[0].cells.push_back(kind);
    table[1].cells.push_back(name);
    table[2].cells.push_back(what);
  };
  for (const Kind& k : kinds) {
    if (!o.kind.empty() && o.kind != k.word) continue;
    for (const std::string& name : config_names(k.kind)) {
      add(to_string(k.kind), name, k.describe(config_folder(k.kind) / (name + ".toml")));
    }
  }
  if (o.kind.empty() || o.kind == "devices") {
    for (const std::string& name : backends().names()) add("device", name, "a back end of this build");
  }
  if (o.format == "md") {
    fmt::print("{}", markdown_table(table, 2, Cells::padded));
  } else {
    print_json(rows, o.format);
  }
}

void setup(CommandLine& app) {
  const auto o = std::make_shared<Options>();
  CommandLine command =
      app.add_subcommand("list", "Models, hardware, studies, presets and back ends that are known by name");
  command.add_option("kind", o->kind, "models, hardware, studies, presets, training or devices; unset: all")
      .check(one_of({"models", "hardware", "studies", "presets", "training", "devices"}))
      .type_name("KIND");
  command.add_format(o->format);
  command.footer("Example:\n  photon list models");
  command.callback([o] { run(*o); });
}

const RegisterCommand registered{5, setup};

}  // namespace
}  // namespace photon::app
