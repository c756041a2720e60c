// SPDX-License-Identifier: Apache-2.0
#include "analysis/join/result_set.h"

#include <fmt/format.h>

#include <utility>

namespace photon::analysis {

void ResultSet::add(const std::filesystem::path& file) {
  auto fresh = read_results(file);
  for (size_t i = 0; i < fresh.size(); ++i) {
    // A row is a line and the header is the first.
    sources.push_back(fmt::format("{}:{}", file.filename().string(), i + 2));
    rows.push_back(std::move(fresh[i]));
  }
}

}  // namespace photon::analysis
