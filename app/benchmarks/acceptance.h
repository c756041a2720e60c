// SPDX-License-Identifier: Apache-2.0
// `photon bench preset`: a list of cases with targets, measured and judged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace photon::app {

struct AcceptanceOptions {
  std::filesystem::path preset;
  std::vector<std::string> models;  ///< each takes the place of all the preset's of its architecture
  std::string device;               ///< empty: the preset's
  std::filesystem::path out;        ///< CSV
  uint64_t seed = 1;
  std::optional<double> budget;  ///< seconds, everything included
};

/// Compares the back end with the reference, measures the targets in their order, adds the rows to the file
/// and prints the table, which stands beside the file after every row. The row under way when the budget is
/// spent ends with the samples that it has; those behind it are not begun. Throws Error if back end and
/// reference disagree, before anything is measured, and if a target was missed, after all.
void bench_acceptance(const AcceptanceOptions& options);

}  // namespace photon::app
