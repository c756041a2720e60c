// SPDX-License-Identifier: Apache-2.0
// Points of result rows in the series of the model and method they were measured with, and what a page tells
// of them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "analysis/draw/looks.h"
#include "analysis/draw/plots.h"
#include "core/results/results.h"

namespace photon::analysis {

/// The series of points that the row's model and method have in `series`; a new one at its end if there is
/// none.
Series& series_of_method(std::vector<Series>& series, const ResultRow& row, const Looks& looks);

std::string method_of(const ResultRow& row);
/// "photon-tiny, PHOTON RecGen streamed" and below it "PF/4, batch 16".
std::string tip_of(const ResultRow& row);

/// Adds the models of the rows that were measured or scored.
void add_models(Looks& looks, const ResultRow& row);

}  // namespace photon::analysis
