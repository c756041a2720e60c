// SPDX-License-Identifier: Apache-2.0
// A figure as an element of a page: its panels side by side, or one under another where there is no room; one
// legend over them; points that tell what they are and lead to their rows.
#pragma once

#include <string>
#include <vector>

#include "analysis/draw/plots.h"

namespace photon::analysis {

/// `caption` is HTML; `number` counts the page's figures. The panels are those of the figure, in its order.
std::string figure_html(const Figure& figure, const std::vector<DrawnPanel>& panels,
                        const std::string& caption, int number);

}  // namespace photon::analysis
