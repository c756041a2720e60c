// SPDX-License-Identifier: Apache-2.0
// Rows of several results files together, and where each one stands.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/results/results.h"

namespace photon::analysis {

/// Rows of several files with where each one stands.
struct ResultSet {
  std::vector<ResultRow> rows;
  std::vector<std::string> sources;  ///< "results.csv:12", one a row

  void add(const std::filesystem::path& file);
};

}  // namespace photon::analysis
