// SPDX-License-Identifier: Apache-2.0
// Where an axis gets its marks and what is written beside them. gnuplot's own marks leave a logarithmic axis
// of less than a decade with one label and know no powers of 1024.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analysis/draw/plots.h"

namespace photon::analysis {

struct AxisRange {
  double low = 0.0;
  double high = 1.0;
};

/// Round values within the range, three to nine of them where the range allows.
std::vector<double> round_ticks(AxisRange range, PlotAxis::Scale scale, bool binary);

/// Labels for ticks of one axis, all with the same number of decimals.
std::vector<std::string> tick_labels(const std::vector<double>& ticks, PlotAxis::Ticks form);

}  // namespace photon::analysis
