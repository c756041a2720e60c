// SPDX-License-Identifier: Apache-2.0
#include "app/benchmarks/ceilings.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/benchmarks/words.h"
#include "app/command.h"
#include "app/early_checks.h"
#include "bench/machine.h"
#include "core/base/atomic_file.h"

namespace photon::app {
namespace {

struct Options {
  std::string device = "cpu";
  std::filesystem::path out;
};

void run(const Options& o) {
  if (!o.out.empty()) require_writable(o.out);
  const auto backend = backends().make(o.device);
  say(backend->device_name());
  const std::string text = to_toml(bench::measure_machine(*backend, print_ceilings));
  if (o.out.empty()) {
    fmt::print("{}", text);
  } else {
    write_file_atomically(o.out, text);
    say(fmt::format("written to {}", o.out.string()));
  }
}

}  // namespace

void add_bench_ceilings(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command.add_device(o->device);
  command.add_out(o->out, "HARDWARE.toml", "File to write; else it is printed");
  command.footer(
      "photon floor and photon simulate read the file as --hardware.\n"
      "Example:\n  photon bench ceilings --out this-machine.toml");
  command.callback([o] { run(*o); });
}

}  // namespace photon::app
