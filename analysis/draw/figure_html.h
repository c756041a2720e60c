// SPDX-License-Identifier: Apache-2.0
// A figure as an element of a page: its panels side by side, or one under another where there is no room; one
// legend over them; points that tell what they are and lead to their rows.
#pragma once

#include <vector>

#include "analysis/draw/html.h"
#include "analysis/draw/plots.h"

namespace photon::analysis {

/// `number` counts the page's figures. The panels are those of the figure, in its order.
Html figure_html(const Figure& figure, const std::vector<DrawnPanel>& panels, const Html& caption,
                 int number);

}  // namespace photon::analysis
