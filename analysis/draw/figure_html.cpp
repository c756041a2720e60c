// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/figure_html.h"

#include <fmt/format.h>

#include "analysis/draw/html.h"

namespace photon::analysis {
namespace {

constexpr int unshrinkable = 700;  // pixels: a panel as wide as that cannot be read on a phone, but scrolled

std::string overlay_of(const DrawnPanel& panel) {
  if (panel.spots.empty()) return "";
  std::string out = "<g class=\"spots\">\n";
  for (const DrawnPanel::Spot& spot : panel.spots) {
    const std::string inside = fmt::format("<title>{}</title><circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"8\"/>",
                                           html_escape(spot.point->tip), spot.x, spot.y);
    out += spot.point->link.empty()
               ? fmt::format("<g class=\"spot\" role=\"img\">{}</g>\n", inside)
               : fmt::format("<a class=\"spot\" href=\"{}\">{}</a>\n", html_escape(spot.point->link), inside);
  }
  return out + "</g>\n";
}

/// As gnuplot draws it: a line in its dashes, a mark from the symbols of the figure's first panel.
std::string swatch(const LegendEntry& entry, const std::string& symbols) {
  static constexpr const char* dashes[] = {
      "", "", "5.4,8.6", "2.2,4.3", "8.6,4.3,2.2,4.3", "9.7,4.3,1.1,4.3,1.1,4.3"};
  std::string out = "<svg viewBox=\"0 0 36 14\" width=\"36\" height=\"14\" aria-hidden=\"true\">";
  const SeriesStyle& style = entry.style;
  if (entry.kind != Series::Kind::points) {
    out += fmt::format(
        "<line x1=\"0\" y1=\"7\" x2=\"36\" y2=\"7\" stroke=\"{}\" stroke-width=\"1.8\" "
        "stroke-dasharray=\"{}\"/>",
        style.color, dashes[style.dash]);
  }
  if (entry.kind == Series::Kind::points || entry.kind == Series::Kind::line_points) {
    out += fmt::format(
        "<use href=\"#{}-gpPt{}\" transform=\"translate(18,7) scale(4.5)\" color=\"{}\" fill=\"none\"/>",
        symbols, style.point - 1, style.color);
  }
  return out + "</svg>";
}

std::string legend_html(const Figure& figure, const std::string& symbols) {
  std::string out;
  for (const LegendEntry& entry : legend_of(figure))
    out += fmt::format("<li>{}{}</li>\n", swatch(entry, symbols), html_escape(entry.title));
  return out.empty() ? "" : "<ul class=\"legend\">\n" + out + "</ul>\n";
}

std::string panel_prefix(const Figure& figure, size_t index) {
  return fmt::format("{}-{}", figure.name, index + 1);
}

}  // namespace

Html figure_html(const Figure& figure, const std::vector<DrawnPanel>& panels, const Html& caption,
                 int number) {
  std::string out = fmt::format(
      "<figure id=\"{0}\">\n<p class=\"title\">{1} <a class=\"permalink\" href=\"#{0}\" "
      "aria-label=\"Link to figure {2}\" title=\"Link to this figure\">#</a></p>\n",
      figure.name, html_escape(figure.title), number);
  out += legend_html(figure, panel_prefix(figure, 0));
  out += "<div class=\"panels\">\n";
  for (size_t i = 0; i < panels.size(); ++i) {
    const std::string label = figure.panels[i].title.empty() ? figure.title : figure.panels[i].title;
    out += fmt::format("<div class=\"panel{}\" style=\"--width: {}px\">\n{}</div>\n",
                       figure.panel_width > unshrinkable ? " big" : "", figure.panel_width,
                       inline_svg(panels[i].svg, panel_prefix(figure, i), label, overlay_of(panels[i])));
  }
  out += fmt::format("</div>\n<figcaption><b>Figure {}.</b> {} ", number, caption.markup);
  out += fmt::format(
      "<span class=\"files\"><a href=\"figures/{0}.png\">PNG</a>, <a "
      "href=\"figures/{0}.svg\">SVG</a>, <a href=\"figures/{0}.gp\">numbers and "
      "script</a></span></figcaption>\n</figure>\n",
      figure.name);
  return {out};
}

}  // namespace photon::analysis
