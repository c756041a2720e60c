// SPDX-License-Identifier: Apache-2.0
#include "app/reproduce/stage.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/random.h"

namespace photon {
namespace {

std::filesystem::path record_of(const std::filesystem::path& output) {
  return output.string() + ".inputs";
}

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

void Stages::run(const std::string& name, const std::filesystem::path& output, const std::string& inputs,
                 const std::function<void()>& work) {
  // "seconds\ninputs"
  const std::string record = read(record_of(output));
  const size_t line = record.find('\n');
  if (std::filesystem::exists(output) && line != std::string::npos && record.substr(line + 1) == inputs) {
    done_.push_back({name, std::strtod(record.c_str(), nullptr), false});
    fmt::print(stderr, "{}: current\n", name);
    return;
  }
  fmt::print(stderr, "{}\n", name);
  std::filesystem::remove(record_of(output));
  const auto begin = std::chrono::steady_clock::now();
  work();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!std::filesystem::exists(output)) throw Error(fmt::format("{}: left no {}", name, output.string()));
  write_file_atomically(record_of(output), fmt::format("{:.2f}\n{}", seconds, inputs));
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
  return fmt::format("{:016x}", stable_hash(read(file)));
}

}  // namespace photon
