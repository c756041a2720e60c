#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "app/command.h"
#include "app/devices.h"
#include "app/version.h"
#include "core/error.h"
#include "core/nearest.h"
#include "reference/backend.h"
#include "reference/blas.h"

namespace photon {

std::vector<Command>& commands() {
  static std::vector<Command> all;
  return all;
}

const BackendRegistry& backends() {
  static const BackendRegistry registry = [] {
    BackendRegistry r;
    reference::add_backend(r);
    add_device_backends(r);
    return r;
  }();
  return registry;
}

}  // namespace photon

namespace {

/// CLI11 would say that a subcommand is missing where an unknown one was given.
void refuse_unknown_subcommand(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (word.starts_with('-') || std::find(names.begin(), names.end(), word) != names.end()) return;
  throw photon::UsageError(fmt::format("unknown subcommand '{}'; {}", word, photon::suggestion(word, names)));
}

int run(int argc, char** argv) {
  CLI::App app{"PHOTON, Block Transformer and vanilla language models: train, generate, measure, compare",
               "photon"};
  app.require_subcommand(1);
  app.set_version_flag("--version", photon::version_text);
  app.failure_message([](const CLI::App*, const CLI::Error& e) {
    return fmt::format("photon: {}\nphoton: --help says more\n", e.what());
  });
  auto list = photon::commands();
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
  for (const auto& command : list) command.setup(app);
  if (argc == 1) {
    fmt::print("{}", app.help());
    return 0;
  }
  refuse_unknown_subcommand(app, argv[1]);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  photon::reference::use_best_blas(argv);
  if (const std::string warning = photon::build_warning(); !warning.empty()) {
    fmt::print(stderr, "photon: warning: {}\n", warning);
  }
  int code = 1;
  try {
    code = run(argc, argv);
  } catch (const photon::UsageError& e) {
    fmt::print(stderr, "photon: {}\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "photon: {}\n", e.what());
    return 1;
  }
  std::cout.flush();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) {
    fmt::print(stderr, "photon: standard output could not be written (disk full?)\n");
    return 1;
  }
  return code;
}
