// Finds room for the names of points: each goes to the free one of eight places around its point, or to the
// place where it covers least.
#pragma once

#include <string>
#include <vector>

namespace photon {

/// Pixels, y upward, inside the panel.
struct LabelAnchor {
  double x = 0.0;
  double y = 0.0;
  std::string text;  ///< "" : a point that only takes up room
};

struct LabelPlace {
  double x = 0.0;  ///< where the text begins (left), is centred, or ends (right)
  double y = 0.0;  ///< of its middle
  enum class Align { left, center, right } align = Align::left;
};

/// One place an anchor, in their order.
std::vector<LabelPlace> place_labels(const std::vector<LabelAnchor>& anchors, double width, double height,
                                     double character_width, double line_height);

/// Code points: what a UTF-8 text takes on a line of a terminal or, about, of a plot.
size_t text_columns(const std::string& text);

}  // namespace photon
