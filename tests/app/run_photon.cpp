// SPDX-License-Identifier: Apache-2.0
#include "tests/app/run_photon.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "tests/core/base/temp_folder.h"

namespace photon::testing {
namespace fs = std::filesystem;

std::string photon_program() {
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  const fs::path installed = here.parent_path().parent_path() / "bin" / "photon";
  return fs::exists(installed) ? installed.string() : PHOTON_BINARY;
}

ProgramRun run_photon(const std::string& arguments) {
  const TempFolder folder;
  const std::string out = folder / "out";
  const std::string messages = folder / "messages";
  const std::string line =
      fmt::format("'{}' {} </dev/null >'{}' 2>'{}'", photon_program(), arguments, out, messages);
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(out), read_text(messages)};
}

}  // namespace photon::testing
