// SPDX-License-Identifier: Apache-2.0
#include "app/unknown_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "core/base/nearest.h"

namespace photon::app {
namespace {

/// Those of option groups too, which CLI11 holds as subcommands without a name.
std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  const auto own = app.get_options();
  std::vector<const CLI::Option*> all(own.begin(), own.end());
  for (const CLI::App* group : app.get_subcommands({})) {
    if (!group->get_name().empty()) continue;
    const auto more = options_of(*group);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

std::vector<std::string> subcommands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_name().empty()) names.push_back(command->get_name());
  }
  return names;
}

bool takes_words(const CLI::App& app) {
  const auto options = options_of(app);
  return std::any_of(options.begin(), options.end(), [](const auto* o) { return o->get_positional(); });
}

const CLI::Option* find_option(const CLI::App& app, const std::string& name) {
  for (const CLI::Option* option : options_of(app)) {
    if (option->check_name(name)) return option;
  }
  return nullptr;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : options_of(app)) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string full_name(const CLI::App& app) {
  const CLI::App* const parent = app.get_parent();
  return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

/// As an option is spelled here: "-out" is a misspelt "--out".
std::string with_two_dashes(const std::string& name) {
  return "--" + name.substr(std::min(name.find_first_not_of('-'), name.size()));
}

/// Options that were another command's before; the successors are complete but for their values.
struct Former {
  const char* command;
  const char* option;
  const char* successor;
};
constexpr auto former = std::to_array<Former>({
    {"photon floor", "--training", "photon floor training MODEL"},
    {"photon floor", "--crossings", "photon floor crossings MODEL..."},
    {"photon floor", "--alternatives", "photon floor alternatives MODEL"},
    {"photon floor", "--paper", "photon floor paper"},
    {"photon bench", "--training", "photon bench train MODEL..."},
    {"photon bench", "--preset", "photon bench preset NAME"},
    {"photon bench", "--ceilings-only", "photon bench ceilings"},
    {"photon bench", "--write-hardware", "photon bench ceilings --out HARDWARE.toml"},
});

/// Commands below `app`, itself included, that have the option.
void find_owners(const CLI::App& app, const std::string& name, std::vector<std::string>& owners) {
  if (find_option(app, name) != nullptr) owners.push_back(full_name(app));
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_name().empty()) find_owners(*command, name, owners);
  }
}

/// Whose option it is, if it is one: of this command's family, or where all others are asked.
std::string belongs_to(const CLI::App& family, const CLI::App& command, const std::string& name) {
  std::vector<std::string> owners;
  find_owners(family, name, owners);
  std::erase(owners, full_name(command));
  return owners.empty() ? "" : fmt::format("it belongs to {}", fmt::join(owners, ", "));
}

/// The command and its subcommands, or those beside it.
const CLI::App& family_of(const CLI::App& command) {
  const CLI::App* const parent = command.get_parent();
  return parent == nullptr || parent->get_parent() == nullptr ? command : *parent;
}

std::string unknown_option(const CLI::App& root, const CLI::App& command, const std::string& given) {
  const std::string name = with_two_dashes(given);
  const std::string of = full_name(command);
  const std::string wrong = fmt::format("unknown option '{}' of {}; ", given, of);
  for (const Former& f : former) {
    if (of == f.command && name == f.option) return wrong + fmt::format("it has become: {}", f.successor);
  }
  if (const std::string owners = belongs_to(family_of(command), command, name); !owners.empty())
    return wrong + owners;
  const auto own = option_names(command);
  if (nearest(name, own).empty()) {
    if (const std::string owners = belongs_to(root, command, name); !owners.empty()) return wrong + owners;
  }
  return wrong + suggestion(name, own);
}

}  // namespace

std::string unknown_word(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") break;
    if (word.size() > 1 && word[0] == '-') {
      const size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      if (const CLI::Option* const option = find_option(*command, name)) {
        if (equals == std::string::npos) i += static_cast<size_t>(option->get_items_expected_min());
        continue;
      }
      const bool number = name.find_first_not_of("-.0123456789") == std::string::npos;
      if (number) continue;  // somebody's value
      return unknown_option(app, *command, name);
    }
    const auto names = subcommands_of(*command);
    if (std::find(names.begin(), names.end(), word) != names.end()) {
      command = command->get_subcommand(word);
    } else if (!names.empty() && !takes_words(*command)) {
      return fmt::format("unknown subcommand '{}' of {}; {}", word, full_name(*command),
                         suggestion(word, names));
    }
  }
  return "";
}

}  // namespace photon::app
