// SPDX-License-Identifier: Apache-2.0
// Where a figure's points lead on the page: to the row that they stand for.
#pragma once

#include <cstddef>
#include <string>

namespace photon::analysis {

/// To row number `index` in the page's tables.
std::string row_link(size_t index);
/// To rows of paper_table and of simulated_table.
std::string paper_row_link(size_t index);
std::string simulated_row_link(size_t index);

/// Why a fraction of a floor or a ceiling can be above 1, in a sentence to stand where one is.
extern const char* const above_one_text;

}  // namespace photon::analysis
