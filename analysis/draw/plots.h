// SPDX-License-Identifier: Apache-2.0
// Figures as data: panels, axes, series, reference lines. draw_figure turns one into a gnuplot script that
// holds its own numbers, and that into SVG and PNG; draw_panels into the pieces of a page.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/draw/looks.h"

namespace photon::analysis {

struct PlotPoint {
  double x = 0.0;
  double y = 0.0;
  std::optional<double> x_low = {}, x_high = {}, y_low = {}, y_high = {};  ///< error bars
  std::string label = {};                                                  ///< written beside the point
  std::string tip = {};   ///< what a page tells of it, in lines; "": nothing
  std::string link = {};  ///< where a page leads from it: "#row-12"
};

struct Series {
  enum class Kind { points, line, line_points, steps };
  std::string title;  ///< in the legend; series of one title share an entry
  SeriesStyle style;
  Kind kind = Kind::points;
  std::vector<PlotPoint> points = {};
  bool optional_labels = false;  ///< names of points are left out where they would cover something
};

/// A dotted line from bottom to top of a panel with its name along it; one far outside the data is named at
/// the edge.
struct ReferenceLine {
  double at = 0.0;
  std::string label;
};

struct PlotAxis {
  enum class Scale { linear, log };
  enum class Ticks { plain, prefixed, bytes, tokens };  ///< 1,000 · 1 k · 1 KiB · 2 Ki
  std::string label;                                    ///< with the unit
  Scale scale = Scale::linear;
  Ticks ticks = Ticks::plain;
  std::optional<double> low = {}, high = {};  ///< default: the data and some air
};

/// A second scale at the top of a panel: the same positions in another unit.
struct TopAxis {
  std::string label;
  double (*from_bottom)(double x, double factor) = nullptr;
  double (*to_bottom)(double value, double factor) = nullptr;
  double factor = 1.0;
};

struct PlotPanel {
  std::string title;
  PlotAxis x, y;
  std::optional<TopAxis> top;
  std::vector<Series> series;
  std::vector<ReferenceLine> references;
};

struct Figure {
  std::string name;  ///< of its files
  std::string title;
  std::vector<PlotPanel> panels;
  int columns = 2;
  int panel_width = 460;  ///< pixels of the SVG
  int panel_height = 380;
};

/// Writes NAME.gp, NAME.svg and NAME.png into `folder`. Throws Error if gnuplot is missing, with what gnuplot
/// said if it fails, and on a figure without a finite point.
void draw_figure(const Figure& figure, const std::filesystem::path& folder);

/// The script alone; running gnuplot on it writes NAME.svg and NAME.png into the working directory.
std::string gnuplot_script(const Figure& figure);

struct LegendEntry {
  std::string title;
  SeriesStyle style;
  Series::Kind kind = Series::Kind::points;
};
/// Each title once.
std::vector<LegendEntry> legend_of(const Figure& figure);

/// A panel by itself, without the figure's title and legend, as SVG with the places of the points that have
/// something to tell.
struct DrawnPanel {
  struct Spot {
    double x = 0.0, y = 0.0;           ///< pixels of the SVG, y downward
    const PlotPoint* point = nullptr;  ///< of the figure
  };
  std::string svg;
  std::vector<Spot> spots;
};
/// Throws as draw_figure; needs `folder` for files that it removes again.
std::vector<DrawnPanel> draw_panels(const Figure& figure, const std::filesystem::path& folder);

}  // namespace photon::analysis
