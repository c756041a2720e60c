// SPDX-License-Identifier: Apache-2.0
// Who measured: the process, the commit it was built from, the command it was given.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <ctime>
#include <random>

#include "build_commit.h"
#include "core/results/results.h"

namespace photon {
namespace {

/// As a shell would take it back; control characters in $'...', so that a row stays one line.
std::string shell_word(const std::string& word) {
  const auto safe = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("_-+=./:,@%").find(c) != std::string_view::npos;
  };
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (!word.empty() && std::all_of(word.begin(), word.end(), safe)) return word;
  if (std::any_of(word.begin(), word.end(), control)) {
    std::string out = "$'";
    for (const char c : word) {
      if (control(c)) {
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      } else {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
      }
    }
    return out + "'";
  }
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string new_run_id() {
  std::random_device entropy;
  return fmt::format("{:%Y%m%d-%H%M%S}-{:08x}", fmt::gmtime(std::time(nullptr)), entropy());
}

}  // namespace

void set_identity(ResultRow& row, std::span<const std::string> argv) {
  static const std::string run_id = new_run_id();
  std::string command;
  for (const std::string& word : argv) {
    if (!command.empty()) command += ' ';
    command += shell_word(word);
  }
  row.set("schema_version", results_schema_version);
  row.set("run_id", run_id);
  row.set("time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))));
  row.set("commit", PHOTON_COMMIT);
  row.set("dirty", PHOTON_DIRTY);
  row.set("argv", command);
  row.set("threads", omp_get_max_threads());
}

}  // namespace photon
