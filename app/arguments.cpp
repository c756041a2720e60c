// SPDX-License-Identifier: Apache-2.0
#include "app/arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "app/command.h"
#include "core/model/dtype.h"
#include "core/model/generation.h"

namespace photon::app {
namespace {

/// CLI11's own say what it always said.
Check check_of(const CLI::Validator& validator) {
  return {[validator](std::string& text) { return validator(text); }, validator.get_description()};
}

/// CLI11's own of this kind print the largest double to its last digit.
Check number_that(bool (*fits)(double), const char* wanted, const char* description) {
  return {[=](std::string& text) -> std::string {
            double number = 0.0;
            if (CLI::detail::lexical_cast(text, number) && std::isfinite(number) && fits(number)) return "";
            return fmt::format("{} is not a number {}", text, wanted);
          },
          description};
}

}  // namespace

template <class T>
Check in_range(T least, T most) {
  return check_of(CLI::Range(least, most));
}
template Check in_range(int, int);
template Check in_range(int64_t, int64_t);
template Check in_range(double, double);

Check positive_number() {
  return number_that([](double x) { return x > 0.0; }, "above 0", "POSITIVE");
}

Check non_negative_number() {
  return number_that([](double x) { return x >= 0.0; }, "from 0", "NONNEGATIVE");
}

Check one_of(std::initializer_list<std::string> words) {
  return check_of(CLI::IsMember(std::vector<std::string>(words)));
}

Check known_device() {
  return parsed_by([](const std::string& name) {
    const auto names = backends().names();
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    throw UsageError(fmt::format("no device '{}' in this build; there is: {}", name, fmt::join(names, ", ")));
  });
}

Argument& Argument::required() {
  option_->required();
  return *this;
}

Argument& Argument::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}

Argument& Argument::check(const Check& check) {
  // CLI11 puts the option's name in front; what parses a text may have done so already.
  const auto refusal = [refusal = check.refusal, begin = option_->get_name() + ": "](std::string& text) {
    const std::string why = refusal(text);
    return why.starts_with(begin) ? why.substr(begin.size()) : why;
  };
  option_->check(CLI::Validator(refusal, check.description));
  return *this;
}

Argument& Argument::names(ConfigKind kind) {
  option_->transform(CLI::Validator(
      [kind](std::string& text) -> std::string {
        try {
          text = find_config(kind, text).string();
        } catch (const Error& e) {
          return e.what();
        }
        return "";
      },
      ""));
  return *this;
}

Argument& Argument::capture_default_str() {
  option_->capture_default_str();
  return *this;
}

Argument& Argument::expected(int count) {
  option_->expected(count);
  return *this;
}

Argument& Argument::expected(int least, int most) {
  option_->expected(least, most);
  return *this;
}

Argument& Argument::take_all() {
  option_->take_all();
  return *this;
}

Argument& Argument::delimiter(char between) {
  option_->delimiter(between);
  return *this;
}

Argument& Argument::excludes(Argument other) {
  option_->excludes(other.option_);
  return *this;
}

CommandLine CommandLine::add_subcommand(const std::string& name, const std::string& help) {
  return CommandLine(*app_->add_subcommand(name, help));
}

CommandLine CommandLine::add_option_group(const std::string& name, const std::string& help) {
  return CommandLine(*app_->add_option_group(name, help));
}

template <class T>
Argument CommandLine::add_option(const std::string& names, T& value, const std::string& help) {
  return Argument(app_->add_option(names, value, help));
}
template Argument CommandLine::add_option(const std::string&, int&, const std::string&);
template Argument CommandLine::add_option(const std::string&, int64_t&, const std::string&);
template Argument CommandLine::add_option(const std::string&, uint64_t&, const std::string&);
template Argument CommandLine::add_option(const std::string&, double&, const std::string&);
template Argument CommandLine::add_option(const std::string&, std::string&, const std::string&);
template Argument CommandLine::add_option(const std::string&, std::filesystem::path&, const std::string&);
template Argument CommandLine::add_option(const std::string&, std::optional<int64_t>&, const std::string&);
template Argument CommandLine::add_option(const std::string&, std::optional<double>&, const std::string&);
template Argument CommandLine::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template Argument CommandLine::add_option(const std::string&, std::vector<std::filesystem::path>&,
                                          const std::string&);

Argument CommandLine::add_flag(const std::string& names, bool& value, const std::string& help) {
  return Argument(app_->add_flag(names, value, help));
}

Argument CommandLine::add_overrides(std::vector<std::string>& values, const std::string& help) {
  return add_option("--set", values, help).type_name("KEY=VALUE").expected(1).take_all();
}

template <class T>
Argument CommandLine::add_model(T& value, const std::string& what) {
  return add_option("model", value, what).type_name("MODEL").names(ConfigKind::model);
}
template Argument CommandLine::add_model(std::string&, const std::string&);
template Argument CommandLine::add_model(std::filesystem::path&, const std::string&);

template <class T>
Argument CommandLine::add_models(T& values, const std::string& what) {
  return add_option("models", values, what).type_name("MODEL").names(ConfigKind::model);
}
template Argument CommandLine::add_models(std::vector<std::string>&, const std::string&);
template Argument CommandLine::add_models(std::vector<std::filesystem::path>&, const std::string&);

void CommandLine::add_generation(std::string& generation, std::string& schedule) {
  add_option("--generation", generation, "hiergen or recgen")
      .check(parsed_by(parse_generation))
      .capture_default_str();
  add_option("--schedule", schedule, "streamed or unrolled (recgen)")
      .check(parsed_by(parse_schedule))
      .capture_default_str();
}

Argument CommandLine::add_recompute(std::string& value) {
  return add_option("--recompute", value, "none, inner or layer: what backward computes again")
      .check(parsed_by(parse_recompute))
      .capture_default_str();
}

Argument CommandLine::add_hardware(std::filesystem::path& value) {
  return add_option("--hardware", value, "Machine: a name (photon list hardware) or a file")
      .type_name("HARDWARE")
      .names(ConfigKind::hardware);
}

Argument CommandLine::add_ceilings(std::string& value) {
  return add_option(
             "--ceilings", value,
             "measured: as measured or reported, where the file says so, else the data sheet; or datasheet")
      .check(one_of({"measured", "datasheet"}))
      .capture_default_str();
}

Argument CommandLine::add_device(std::string& value) {
  const std::string unset = value.empty() ? "; unset: what the file says" : "";
  Argument option = add_option("--device", value, "Back end" + unset).type_name("DEVICE");
  option.check(known_device());
  return value.empty() ? option : option.capture_default_str();
}

template <class T>
Argument CommandLine::add_dtype(T& value) {
  const std::string unset = value.empty() ? "; unset: the device's own" : "";
  Argument option = add_option("--dtype", value, "float32, float64 or bfloat16" + unset).type_name("DTYPE");
  if constexpr (!std::is_same_v<T, std::string>) option.delimiter(',');
  option.check(parsed_by(parse_dtype));
  return value.empty() ? option : option.capture_default_str();
}
template Argument CommandLine::add_dtype(std::string&);
template Argument CommandLine::add_dtype(std::vector<std::string>&);

Argument CommandLine::add_format(std::string& value) {
  Argument option = add_option("--format", value, "Of standard output: md, json or csv").type_name("FORMAT");
  option.check(one_of({"md", "json", "csv", "jsonl"})).capture_default_str();
  return option;
}

Argument CommandLine::add_out(std::filesystem::path& value, const std::string& type,
                              const std::string& help) {
  return add_option("--out", value, help).type_name(type);
}

void CommandLine::words_may_stand_alone() {
  app_->parse_complete_callback([app = app_] {
    for (const CLI::App* given : app->get_subcommands()) {
      for (const CLI::Option* option : app->get_options()) {
        if (option->count() == 0) continue;
        throw UsageError(
            fmt::format("{} stands before '{}'; it goes behind that word",
                        option->get_positional() ? "'" + option->results().front() + "'" : option->get_name(),
                        given->get_name()));
      }
    }
  });
}

void CommandLine::require_subcommand(int count) {
  app_->require_subcommand(count);
}

void CommandLine::require_option(int count) {
  app_->require_option(count);
}

void CommandLine::footer(const std::string& text) {
  app_->footer(text);
}

void CommandLine::callback(std::function<void()> work) {
  app_->callback(std::move(work));
}

size_t CommandLine::count(const std::string& name) const {
  return app_->count(name);
}

bool CommandLine::subcommand_given() const {
  return !app_->get_subcommands().empty();
}

}  // namespace photon::app
