// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/label_placement.h"

#include <algorithm>
#include <cmath>

#include "analysis/draw/format.h"

namespace photon::analysis {
namespace {

struct Box {
  double left, bottom, right, top;
};

double overlap(const Box& a, const Box& b) {
  const double w = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double h = std::min(a.top, b.top) - std::max(a.bottom, b.bottom);
  return w > 0 && h > 0 ? w * h : 0.0;
}

Box box_of(const LabelPlace& place, double text_width, double line_height) {
  const double left = place.align == LabelPlace::Align::left    ? place.x
                      : place.align == LabelPlace::Align::right ? place.x - text_width
                                                                : place.x - text_width / 2;
  return {left, place.y - line_height / 2, left + text_width, place.y + line_height / 2};
}

/// Area that a line of two pixels' width takes of the box, by small steps along it.
double crossing(const Box& box, const LabelObstacle& line) {
  const double length = std::hypot(line.x1 - line.x0, line.y1 - line.y0);
  const int steps = std::max(1, static_cast<int>(length / 3.0));
  double inside = 0.0;
  for (int i = 0; i <= steps; ++i) {
    const double t = static_cast<double>(i) / steps;
    const double x = line.x0 + t * (line.x1 - line.x0);
    const double y = line.y0 + t * (line.y1 - line.y0);
    if (x > box.left && x < box.right && y > box.bottom && y < box.top) inside += 6.0;
  }
  return inside;
}

}  // namespace

std::vector<LabelPlace> place_labels(const std::vector<LabelAnchor>& anchors,
                                     const std::vector<LabelObstacle>& lines, double width, double height,
                                     double character_width, double line_height) {
  using Align = LabelPlace::Align;
  constexpr double gap = 9.0;     // from the middle of a point to its name
  constexpr double radius = 6.0;  // of a point
  std::vector<Box> taken;
  for (const LabelAnchor& a : anchors)
    taken.push_back({a.x - radius, a.y - radius, a.x + radius, a.y + radius});
  const Box panel{0.0, 0.0, width, height};
  std::vector<LabelPlace> places(anchors.size());
  for (size_t i = 0; i < anchors.size(); ++i) {
    const LabelAnchor& a = anchors[i];
    if (a.text.empty()) continue;
    const double text_width = static_cast<double>(text_columns(a.text)) * character_width;
    const double diagonal = gap * 0.7;
    const LabelPlace candidates[] = {
        {a.x + gap, a.y, Align::left, false},
        {a.x, a.y + gap + line_height / 2, Align::center, false},
        {a.x, a.y - gap - line_height / 2, Align::center, false},
        {a.x - gap, a.y, Align::right, false},
        {a.x + diagonal, a.y + diagonal + line_height / 2, Align::left, false},
        {a.x + diagonal, a.y - diagonal - line_height / 2, Align::left, false},
        {a.x - diagonal, a.y + diagonal + line_height / 2, Align::right, false},
        {a.x - diagonal, a.y - diagonal - line_height / 2, Align::right, false},
    };
    double least = -1.0;
    for (const LabelPlace& candidate : candidates) {
      const Box box = box_of(candidate, text_width, line_height);
      double covered = 4.0 * (text_width * line_height - overlap(box, panel));  // being cut off is worse
      for (size_t j = 0; j < taken.size(); ++j) {
        if (j != i) covered += 2.0 * overlap(box, taken[j]);
      }
      for (const LabelObstacle& line : lines) covered += crossing(box, line);
      if (least < 0.0 || covered < least - 1e-9) {
        least = covered;
        places[i] = candidate;
      }
    }
    places[i].shown = !a.optional || least <= 0.15 * text_width * line_height;
    if (places[i].shown) taken.push_back(box_of(places[i], text_width, line_height));
  }
  return places;
}

}  // namespace photon::analysis
