#include "analysis/label_placement.h"

#include <algorithm>
#include <cmath>

namespace photon {
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

}  // namespace

size_t text_columns(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::vector<LabelPlace> place_labels(const std::vector<LabelAnchor>& anchors, double width, double height,
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
        {a.x + gap, a.y, Align::left},
        {a.x, a.y + gap + line_height / 2, Align::center},
        {a.x, a.y - gap - line_height / 2, Align::center},
        {a.x - gap, a.y, Align::right},
        {a.x + diagonal, a.y + diagonal + line_height / 2, Align::left},
        {a.x + diagonal, a.y - diagonal - line_height / 2, Align::left},
        {a.x - diagonal, a.y + diagonal + line_height / 2, Align::right},
        {a.x - diagonal, a.y - diagonal - line_height / 2, Align::right},
    };
    double least = -1.0;
    for (const LabelPlace& candidate : candidates) {
      const Box box = box_of(candidate, text_width, line_height);
      double covered = 4.0 * (text_width * line_height - overlap(box, panel));  // being cut off is worse
      for (size_t j = 0; j < taken.size(); ++j) {
        if (j != i) covered += overlap(box, taken[j]);
      }
      if (least < 0.0 || covered < least - 1e-9) {
        least = covered;
        places[i] = candidate;
      }
    }
    taken.push_back(box_of(places[i], text_width, line_height));
  }
  return places;
}

}  // namespace photon
