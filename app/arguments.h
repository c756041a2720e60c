// SPDX-License-Identifier: Apache-2.0
// What a subcommand takes from the command line. CLI11, which parses it, is included by three files alone:
// its headers take longer to compile than most of the files here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/known_configs.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace photon::app {

/// What the text of an argument must be: wrong use is refused before a file is opened.
struct Check {
  std::function<std::string(std::string&)> refusal;  ///< "": fine
  std::string description;                           ///< shown by --help; may be empty
};

/// A number from `least` to `most`. For int, int64_t and double.
template <class T>
Check in_range(T least, T most);

Check positive_number();
Check non_negative_number();

/// One of these words.
Check one_of(std::initializer_list<std::string> words);

/// Takes what `parse` takes; its UsageError is the refusal.
template <class Parse>
Check parsed_by(Parse parse) {
  return {[parse](std::string& text) -> std::string {
            try {
              parse(text);
            } catch (const UsageError& e) {
              return e.what();
            }
            return "";
          },
          ""};
}

/// The name of a back end of this build.
Check known_device();

/// An option, a flag or a word without a name; it belongs to the command line. Its methods are CLI::Option's.
class Argument {
 public:
  explicit Argument(CLI::Option* option) : option_(option) {}

  Argument& required();
  /// What --help writes for the value.
  Argument& type_name(const std::string& name);
  Argument& check(const Check& check);
  /// Each value is a file of configs/ by name or path (find_config), and the path is what is stored.
  Argument& names(ConfigKind kind);
  /// Shows the value that the variable has now as the default.
  Argument& capture_default_str();
  Argument& expected(int count);
  /// Up to `most` values, without a bound where that is -1.
  Argument& expected(int least, int most);
  /// Given again, it adds to the values.
  Argument& take_all();
  Argument& delimiter(char between);
  Argument& excludes(Argument other);

 private:
  CLI::Option* option_;
};

/// A command, a subcommand or a group of options; the command line that is parsed owns what this points at.
/// Its methods are CLI::App's.
class CommandLine {
 public:
  explicit CommandLine(CLI::App& app) : app_(&app) {}

  CommandLine add_subcommand(const std::string& name, const std::string& help);
  CommandLine add_option_group(const std::string& name, const std::string& help);
  /// For the types named in arguments.cpp. `value` must live until the command line is parsed.
  template <class T>
  Argument add_option(const std::string& names, T& value, const std::string& help);
  Argument add_flag(const std::string& names, bool& value, const std::string& help);

  // Options that several commands have; each takes its default from `value`.

  /// --set KEY=VALUE, as often as one likes.
  Argument add_overrides(std::vector<std::string>& values, const std::string& help);
  /// The word `model`, by name or path; a checkpoint folder where `what` says so.
  template <class T>
  Argument add_model(T& value, const std::string& what = "Model: a name (photon list models) or a spec file");
  /// Several of them, T being a vector.
  template <class T>
  Argument add_models(T& values,
                      const std::string& what = "Models: names (photon list models) or spec files");
  /// --generation and --schedule, one of each.
  void add_generation(std::string& generation, std::string& schedule);
  /// --recompute none|inner|layer
  Argument add_recompute(std::string& value);
  /// --hardware, by name or path.
  Argument add_hardware(std::filesystem::path& value);
  /// --ceilings measured|datasheet
  Argument add_ceilings(std::string& value);
  /// --device, one of this build's.
  Argument add_device(std::string& value);
  /// --dtype; empty stands for the device's own. T is std::string, or a vector of them for a list.
  template <class T>
  Argument add_dtype(T& value);
  /// --format md|json|csv; where rows are printed one by one, json is a line for each and jsonl means the
  /// same.
  Argument add_format(std::string& value);
  /// --out; `type` is what --help writes for the value.
  Argument add_out(std::filesystem::path& value, const std::string& type, const std::string& help);

  void require_subcommand(int count);
  /// Words without a subcommand mean one of them: whatever stands before a subcommand is refused.
  void words_may_stand_alone();
  void require_option(int count);
  void footer(const std::string& text);
  /// What is done once the command line is parsed.
  void callback(std::function<void()> work);

  /// How often the option was given.
  size_t count(const std::string& name) const;
  /// Whether one of its subcommands was given.
  bool subcommand_given() const;

 private:
  CLI::App* app_;
};

}  // namespace photon::app
