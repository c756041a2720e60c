// The tables of a report page. Every row of every CSV file stands in one of them under an anchor, so that a
// number in a figure or summary can be followed to its cell.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "analysis/paper_floor.h"
#include "analysis/simulation/row.h"
#include "core/results.h"

namespace photon::analysis {

/// Rows of several files with where each one stands.
struct ResultSet {
  std::vector<ResultRow> rows;
  std::vector<std::string> sources;  ///< "results.csv:12", one a row

  void add(const std::filesystem::path& file);
};

/// Why a fraction of a floor or a ceiling can be above 1, in a sentence to stand where one is.
extern const char* const above_one_text;

/// To rows of paper_table and of simulated_table.
std::string paper_row_link(size_t index);
std::string simulated_row_link(size_t index);

std::string summary_table(const ResultSet& results);
std::string ranking_list(const ResultSet& results);  ///< a corpus at a time
std::string floor_table(const ResultSet& results);
/// Every predicted row beside its measurement, the worst first, under the errors of each regime and the
/// verdict.
std::string prediction_tables(const ResultSet& results);
std::string paper_table();
/// The paper's rows at their floors, the ratios between them, and its memory column accounted for.
/// `ceilings`: the machine and where its rates come from.
std::string paper_floor_tables(const std::vector<PaperPoint>& points, const std::string& ceilings);
std::string simulated_table(const std::vector<simulation::Row>& rows);
std::string all_rows_tables(const ResultSet& results);
std::string machines_table(const ResultSet& results);
std::string runs_table(const ResultSet& results);
std::string columns_table();

}  // namespace photon::analysis
