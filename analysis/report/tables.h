// SPDX-License-Identifier: Apache-2.0
// The tables of a report page. Every row of every CSV file stands in one of them under an anchor, so that a
// number in a figure or summary can be followed to its cell.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/draw/html.h"
#include "analysis/join/result_set.h"
#include "analysis/join/row_link.h"
#include "analysis/paper/floor.h"
#include "analysis/simulation/row.h"

namespace photon::analysis {

Html summary_table(const ResultSet& results);
Html rankings(const ResultSet& results);  ///< a corpus at a time
Html floor_table(const ResultSet& results);
/// Every predicted row beside its measurement, the worst first, under the errors of each regime and the
/// verdict.
Html prediction_tables(const ResultSet& results);
Html paper_table();
/// The paper's rows at their floors, the ratios between them, and its memory column accounted for.
/// `ceilings`: the machine and where its rates come from.
Html paper_floor_tables(const std::vector<PaperPoint>& points, const std::string& ceilings);
Html simulated_table(const std::vector<simulation::Row>& rows);
Html all_rows_tables(const ResultSet& results);
Html machines_table(const ResultSet& results);
Html runs_table(const ResultSet& results);
Html columns_table();

}  // namespace photon::analysis
