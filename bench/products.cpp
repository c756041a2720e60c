// SPDX-License-Identifier: Apache-2.0
#include "bench/products.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <string>

#include "core/base/error.h"

namespace photon::bench {

std::filesystem::path products_file(const std::filesystem::path& results) {
  return std::filesystem::path(results).replace_extension("products.txt");
}

void keep_products(const Backend& backend, const std::filesystem::path& results) {
  if (results.empty()) return;
  const std::filesystem::path file = products_file(results);
  std::set<std::string> held;
  std::string line;
  for (std::ifstream in(file); std::getline(in, line);) held.insert(line);
  std::string added;
  for (const std::string& product : backend.products_made()) {
    line = fmt::format("{}: {}", backend.device_name(), product);
    if (!held.contains(line)) added += line + "\n";
  }
  if (added.empty()) return;
  std::ofstream out(file, std::ios::app);
  out << added << std::flush;
  if (!out) throw Error(fmt::format("{}: cannot be written to: {}", file.string(), std::strerror(errno)));
}

}  // namespace photon::bench
