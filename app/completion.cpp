// SPDX-License-Identifier: Apache-2.0
#include "app/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "app/command.h"
#include "core/base/known_configs.h"

namespace photon::app {
namespace {

/// {md,json,csv} of a help text.
std::vector<std::string> words_between_braces(const std::string& text) {
  const size_t begin = text.find('{');
  const size_t end = text.find('}', begin);
  std::vector<std::string> words;
  if (begin == std::string::npos || end == std::string::npos) return words;
  std::string word;
  for (const char c : text.substr(begin + 1, end - begin - 1) + ",") {
    if (c != ',') {
      word += c;
    } else {
      words.push_back(std::exchange(word, ""));
    }
  }
  return words;
}

/// By what --help writes for the value.
std::vector<std::string> values_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (type.starts_with("MODEL")) return config_names(ConfigKind::model);
  if (type.starts_with("HARDWARE") && !type.starts_with("HARDWARE."))
    return config_names(ConfigKind::hardware);
  if (type.starts_with("STUDY")) return config_names(ConfigKind::study);
  if (type.starts_with("PRESET")) return config_names(ConfigKind::preset);
  if (type.starts_with("CONFIG")) return config_names(ConfigKind::training);
  if (type.starts_with("DEVICE")) return backends().names();
  if (type.starts_with("DTYPE")) return {"float32", "float64", "bfloat16"};
  return words_between_braces(type);
}

std::vector<std::string> words_of(const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::App* sub : command.get_subcommands({})) {
    if (!sub->get_name().empty() && !sub->get_group().empty()) words.push_back(sub->get_name());
  }
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    const auto values = values_of(*option);
    words.insert(words.end(), values.begin(), values.end());
  }
  return words;
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  for (const CLI::App* group : command.get_subcommands({})) {
    if (!group->get_name().empty()) continue;
    const auto more = options_of(*group);
    words.insert(words.end(), more.begin(), more.end());
  }
  return words;
}

struct Options {
  std::string shell;
};

/// `complete` is answered by main: it is no subcommand, for it takes any words.
constexpr const char* script = R"(_photon() {
  local program=${COMP_WORDS[0]} tree
  tree=$(dirname -- "$program")
  # The launcher of the source tree would build first.
  [[ -f $tree/CMakePresets.json && -x $tree/build/release/app/photon ]] && program=$tree/build/release/app/photon
  mapfile -t COMPREPLY < <("$program" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _photon photon ./photon
)";

void setup(CommandLine& app) {
  const auto o = std::make_shared<Options>();
  CommandLine command = app.add_subcommand("completion", "Print a script that completes commands in a shell");
  command.add_option("shell", o->shell, "bash or zsh").required().check(one_of({"bash", "zsh"}));
  command.footer("Example, in ~/.bashrc:  source <(photon completion bash)\n  photon completion bash");
  command.callback([o] {
    if (o->shell == "zsh") fmt::print("autoload -U +X bashcompinit && bashcompinit\n");
    fmt::print("{}", script);
  });
}

const RegisterCommand registered{90, setup};

}  // namespace

std::vector<std::string> completions(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  const CLI::Option* open = nullptr;  // wants a value
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (std::exchange(open, nullptr) != nullptr) continue;
    if (words[i].starts_with("-")) {
      const CLI::Option* const option = command->get_option_no_throw(words[i]);
      if (option != nullptr && option->get_items_expected_min() > 0) open = option;
      continue;
    }
    for (const CLI::App* sub : command->get_subcommands({})) {
      if (sub->get_name() == words[i]) command = sub;
    }
  }
  const std::string begin = words.empty() ? "" : words.back();
  std::vector<std::string> all = open != nullptr          ? values_of(*open)
                                 : begin.starts_with("-") ? options_of(*command)
                                                          : words_of(*command);
  std::erase_if(all, [&](const std::string& word) { return !word.starts_with(begin); });
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace photon::app
