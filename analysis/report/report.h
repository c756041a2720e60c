// SPDX-License-Identifier: Apache-2.0
// `photon report`: one self-contained page from CSV files alone (docs/numbers.md), with figures as
// SVG inside it and as PNG, SVG and gnuplot scripts beside it.
#pragma once

#include <filesystem>
#include <vector>

namespace photon::analysis {

struct ReportRequest {
  std::vector<std::filesystem::path> results;      ///< CSV files of the results schema
  std::vector<std::filesystem::path> metrics;      ///< of trainings; may be empty
  std::vector<std::filesystem::path> simulations;  ///< CSV files of photon simulate; may be empty
  std::vector<std::filesystem::path> counters;     ///< Nsight Compute's raw pages as CSV; may be empty
  std::vector<std::filesystem::path> launches;     ///< of photon bench --profile, what those ran
  /// Specs for the figures over context length. Empty: the configs of the checkpoints that the rows name,
  /// where those folders still are.
  std::vector<std::filesystem::path> models;
  std::filesystem::path paper_models;    ///< folder with the paper's nine specs; empty: without them
  std::filesystem::path paper_hardware;  ///< the paper's card, for its floors; empty: without them
  std::filesystem::path out;             ///< folder, made if need be: index.html and figures/
};

/// Returns the page's path. Throws Error on a file that does not read, on no rows at all, without gnuplot.
std::filesystem::path write_report(const ReportRequest& request);

}  // namespace photon::analysis
