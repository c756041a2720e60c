// Points of result rows in the series of the method they were measured with.
#pragma once

#include <vector>

#include "analysis/plots.h"
#include "core/results.h"

namespace photon::analysis {

/// The series of points that the row's method has in `series`; a new one at its end if it has none.
Series& series_of_method(std::vector<Series>& series, const ResultRow& row);

}  // namespace photon::analysis
