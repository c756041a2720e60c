// Figures as data: panels, axes, series, reference lines. draw_figure turns one into a gnuplot script that
// holds its own numbers, and that into SVG and PNG. Series differ by point shape and dash pattern first and
// by colour second, so that a black-and-white print reads the same.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace photon {

struct PlotPoint {
  double x = 0.0;
  double y = 0.0;
  std::optional<double> x_low = {}, x_high = {}, y_low = {}, y_high = {};  ///< error bars
  std::string label = {};                                                  ///< written beside the point
};

/// How a series looks; the same method looks the same in every figure.
struct SeriesStyle {
  std::string color = {};  ///< "#rrggbb"
  int point = 0;           ///< gnuplot's point type
  int dash = 1;            ///< gnuplot's dash type
};
SeriesStyle style_of_method(const std::string& method_name);  ///< as measurements.h's method_name gives them
SeriesStyle style_of_index(size_t index);                     ///< for series that are no method

struct Series {
  enum class Kind { points, line, line_points, steps };
  std::string title;  ///< in the legend; series of one title share an entry
  SeriesStyle style;
  Kind kind = Kind::points;
  std::vector<PlotPoint> points = {};
};

/// A line across a panel with its name at its end.
struct ReferenceLine {
  bool vertical = true;
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

}  // namespace photon
