// SPDX-License-Identifier: Apache-2.0
// Finds room for the names of points: each goes to the free one of eight places around its point, or to the
// place where it covers least of points, lines and other names.
#pragma once

#include <string>
#include <vector>

namespace photon::analysis {

/// Pixels, y upward, inside the panel.
struct LabelAnchor {
  double x = 0.0;
  double y = 0.0;
  std::string text;       ///< "" : a point that only takes up room
  bool optional = false;  ///< better no name than one that covers something
};

/// A line that names had better not cross.
struct LabelObstacle {
  double x0 = 0.0, y0 = 0.0, x1 = 0.0, y1 = 0.0;
};

struct LabelPlace {
  double x = 0.0;  ///< where the text begins (left), is centred, or ends (right)
  double y = 0.0;  ///< of its middle
  enum class Align { left, center, right } align = Align::left;
  bool shown = false;
};

/// One place an anchor, in their order, for text of the given size in a panel of width x height.
std::vector<LabelPlace> place_labels(const std::vector<LabelAnchor>& anchors,
                                     const std::vector<LabelObstacle>& lines, double width, double height,
                                     double character_width, double line_height);

}  // namespace photon::analysis
