// SPDX-License-Identifier: Apache-2.0
#include "app/reproduce/stage.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/read_file.h"

namespace photon::app {

void Stages::run(const std::string& name, const std::filesystem::path& output, const std::string& inputs,
                 const std::function<void()>& work) {
  const std::filesystem::path recorded = output.string() + ".inputs";  // "seconds\ninputs"
  const std::string record = std::filesystem::exists(recorded) ? read_file(recorded) : "";
  const size_t line = record.find('\n');
  if (std::filesystem::exists(output) && line != std::string::npos && record.substr(line + 1) == inputs) {
    done_.push_back({name, std::strtod(record.c_str(), nullptr), false});
    fmt::print(stderr, "{}: current\n", name);
    return;
  }
  fmt::print(stderr, "{}\n", name);
  std::filesystem::remove(recorded);
  const auto begin = std::chrono::steady_clock::now();
  work();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!std::filesystem::exists(output)) throw Error(fmt::format("{}: left no {}", name, output.string()));
  write_file_atomically(recorded, fmt::format("{:.2f}\n{}", seconds, inputs));
  done_.push_back({name, seconds, true});
}

std::string Stages::table() const {
  std::string out;
  double total = 0.0;
  for (const Done& d : done_) {
    out += fmt::format("  {:<40} {:>8.1f} s{}\n", d.name, d.seconds, d.now ? "" : "  (an earlier run)");
    total += d.seconds;
  }
  return out + fmt::format("  {:<40} {:>8.1f} s\n", "all stages", total);
}

std::string file_digest(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return "absent";
  return fmt::format("{:016x}", stable_hash(read_file(file)));
}

}  // namespace photon::app
