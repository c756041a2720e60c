// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <new>
#include <string_view>

#include "app/command.h"
#include "app/completion.h"
#include "app/standard_streams.h"
#include "app/unknown_words.h"
#include "app/version.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "cuda_impl/backends.h"
#include "reference/backend.h"
#include "reference/blas.h"

namespace photon::app {

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

}  // namespace photon::app

namespace {

constexpr int failed = 1;
constexpr int wrong_use = 2;
constexpr int interrupted = 130;

/// Exit code.
int run(int argc, char** argv) {
  CLI::App app{"PHOTON, Block Transformer and vanilla language models: train, generate, measure, compare",
               "photon"};
  app.require_subcommand(1);
  app.set_version_flag("--version", photon::app::version_text);
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 wrong use (nothing was read or written), 130 interrupted (Ctrl-C).");
  auto list = photon::app::commands();
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
  photon::app::CommandLine line(app);
  for (const auto& command : list) command.setup(line);
  app.parse_complete_callback([] {
    if (const std::string warning = photon::app::build_warning(); !warning.empty()) {
      fmt::print(stderr, "photon: warning: {}\n", warning);
    }
  });
  if (argc == 1) {
    fmt::print("{}", app.help());
    return 0;
  }
  if (std::string_view(argv[1]) == "complete") {  // a shell asks (completion.h)
    for (const std::string& word : photon::app::completions(app, {argv + 2, argv + argc}))
      fmt::print("{}\n", word);
    return 0;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help and --version
    // CLI11 would say that something else is missing where a word is misspelt.
    const std::string unknown = photon::app::unknown_word(app, {argv + 1, argv + argc});
    throw photon::UsageError(
        fmt::format("{}\nphoton: --help says more", unknown.empty() ? std::string(e.what()) : unknown));
  }
  return 0;
}

int guarded_run(int argc, char** argv) {
  try {
    const int code = run(argc, argv);
    photon::app::finish_standard_output();
    return code;
  } catch (const photon::UsageError& e) {
    fmt::print(stderr, "photon: {}\n", e.what());
    return wrong_use;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "photon: out of memory\n");
  } catch (const std::exception& e) {
    fmt::print(stderr, "photon: {}\n", e.what());
  }
  return failed;
}

}  // namespace

int main(int argc, char** argv) {
  photon::app::secure_standard_streams();
  photon::reference::use_best_blas(argv);
  const int code = guarded_run(argc, argv);
  std::fflush(stdout);  // what was printed before a failure; a second failure changes nothing
  return photon::interrupt_requested() ? interrupted : code;
}
