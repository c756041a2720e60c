// SPDX-License-Identifier: Apache-2.0
// What a subcommand takes from the command line. CLI11, which parses it, is included by three files alone:
// its headers take longer to compile than most of the files here.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace photon {

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
  /// Shows the value that the variable has now as the default.
  Argument& capture_default_str();
  Argument& expected(int count);
  /// Up to `most` values, without a bound where that is -1.
  Argument& expected(int least, int most);
  /// Given again, it adds to the values.
  Argument& take_all();
  Argument& allow_extra_args(bool allow);
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
  /// --set KEY=VALUE, as often as one likes.
  Argument add_overrides(std::vector<std::string>& values, const std::string& help);

  void require_subcommand(int count);
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

}  // namespace photon
