// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "analysis/draw/format.h"
#include "analysis/draw/gnuplot.h"
#include "analysis/draw/label_placement.h"
#include "analysis/draw/ticks.h"
#include "core/base/error.h"
#include "core/base/read_file.h"

namespace photon::analysis {
namespace {

// Pixels around a panel's axes, and of text at the figure's font size.
constexpr double left_margin = 98, right_margin = 20, bottom_margin = 62, top_margin = 42, top_axis_room = 40;
constexpr double title_room = 34, legend_line = 20, character = 7.0, line_height = 15;

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string gnuplot_text(const std::string& text) {
  std::string out = "'";
  for (const char c : one_line(text)) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

bool is_log(const PlotAxis& axis) {
  return axis.scale == PlotAxis::Scale::log;
}

/// On a logarithmic axis a zero or a negative number has no place.
bool drawable(double value, const PlotAxis& axis) {
  return std::isfinite(value) && (!is_log(axis) || value > 0.0);
}
bool drawable(const PlotPoint& p, const PlotPanel& panel) {
  return drawable(p.x, panel.x) && drawable(p.y, panel.y);
}

AxisRange range_of(const PlotPanel& panel, bool horizontal) {
  const PlotAxis& axis = horizontal ? panel.x : panel.y;
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  const auto include = [&](std::optional<double> value) {
    if (!value || !drawable(*value, axis)) return;
    low = std::min(low, *value);
    high = std::max(high, *value);
  };
  for (const Series& series : panel.series) {
    for (const PlotPoint& p : series.points) {
      if (!drawable(p, panel)) continue;
      include(horizontal ? p.x : p.y);
      include(horizontal ? p.x_low : p.y_low);
      include(horizontal ? p.x_high : p.y_high);
    }
  }
  if (!(low <= high)) throw Error(fmt::format("figure panel \"{}\" has no point to draw", panel.title));
  // A reference far outside would squeeze the points into a corner.
  const double reach = is_log(axis) ? std::pow(high / low, 0.6) : 0.6 * (high - low);
  const AxisRange near =
      is_log(axis) ? AxisRange{low / reach, high * reach} : AxisRange{low - reach, high + reach};
  for (const ReferenceLine& line : panel.references) {
    if (horizontal && line.at >= near.low && line.at <= near.high) include(line.at);
  }
  if (is_log(axis)) {
    const double air = std::max(std::pow(high / low, 0.14), 1.05);
    low /= air;
    high *= air;
  } else {
    const double air =
        std::max(0.08 * (high - low), high == low ? std::max(std::abs(high) * 0.1, 1e-12) : 0.0);
    const bool from_zero = low >= 0.0 && low - air < 0.0;
    low = from_zero ? 0.0 : low - air;
    high += air;
  }
  return {axis.low.value_or(low), axis.high.value_or(high)};
}

double fraction(double value, AxisRange range, const PlotAxis& axis) {
  return is_log(axis) ? std::log(value / range.low) / std::log(range.high / range.low)
                      : (value - range.low) / (range.high - range.low);
}

int references_outside(const PlotPanel& panel, AxisRange x) {
  return static_cast<int>(
      std::count_if(panel.references.begin(), panel.references.end(),
                    [&](const ReferenceLine& line) { return line.at < x.low || line.at > x.high; }));
}

/// Lower by the lines of text that name references outside the panel.
AxisRange with_room_below(AxisRange y, const PlotPanel& panel, AxisRange x) {
  const double share = 0.055 * references_outside(panel, x);
  y.low = is_log(panel.y) ? y.low / std::pow(y.high / y.low, share) : y.low - share * (y.high - y.low);
  return y;
}

struct Rectangle {
  double left, bottom, width, height;  ///< of the axes, pixels from the figure's lower left corner
};

/// The script of one figure, panel by panel, in pixels of the SVG.
class Script {
 public:
  explicit Script(const Figure& figure)
      : figure_(figure), legend_(legend_of(figure)), top_axis_(has_top_axis(figure)) {
    columns_ = std::min<int>(figure.columns, static_cast<int>(figure.panels.size()));
    rows_ = (static_cast<int>(figure.panels.size()) + columns_ - 1) / columns_;
    width_ = columns_ * figure.panel_width;
    place_legend();
    height_ = title_room + rows_ * figure.panel_height + legend_rows_ * legend_line + 8;
  }
  /// Of its only panel, for a page: without title and legend. Panels that stand side by side keep room for an
  /// axis at the top where one of them has it.
  Script(const Figure& figure, bool top_axis)
      : figure_(figure),
        title_height_(0.0),
        top_axis_(top_axis),
        width_(figure.panel_width),
        height_(figure.panel_height) {}

  static bool has_top_axis(const Figure& figure) {
    return std::any_of(figure.panels.begin(), figure.panels.end(),
                       [](const PlotPanel& p) { return p.top.has_value(); });
  }

  std::string text() {
    std::string data, panels;
    for (size_t i = 0; i < figure_.panels.size(); ++i) {
      data += data_blocks(figure_.panels[i], i);
      panels += panel_commands(figure_.panels[i], i);
    }
    const std::string commands =
        fmt::format("set multiplot\n{}{}unset multiplot\nunset output\n", legend_commands(), panels);
    return fmt::format("# {0}\n# gnuplot {1}.gp writes {1}.svg and {1}.png.\n{2}\n{3}{4}{5}\n{6}{5}",
                       one_line(figure_.title), figure_.name, data, settings, svg_commands(figure_.name),
                       commands, png_commands());
  }

  /// Of a script for a page, which has one panel: it writes FILE.svg alone.
  std::string panel_text(const std::string& file) const {
    const PlotPanel& panel = figure_.panels[0];
    return fmt::format("{}{}{}{}unset output\n", data_blocks(panel, 0), settings, svg_commands(file),
                       panel_commands(panel, 0));
  }

  /// The places of the only panel's points that have something to tell. The points are those of `source`.
  std::vector<DrawnPanel::Spot> spots(const PlotPanel& source) const {
    const AxisRange x = range_of(source, true);
    const AxisRange y = with_room_below(range_of(source, false), source, x);
    const Rectangle at = rectangle_of(0);
    std::vector<DrawnPanel::Spot> out;
    for (const Series& series : source.series) {
      for (const PlotPoint& p : series.points) {
        if (p.tip.empty() || !drawable(p, source)) continue;
        out.push_back({at.left + fraction(p.x, x, source.x) * at.width,
                       height_ - at.bottom - fraction(p.y, y, source.y) * at.height, &p});
      }
    }
    return out;
  }

 private:
  static constexpr const char* settings =
      "set encoding utf8\nset border 3 lw 1 lc rgb '#555555'\nset tics nomirror out scale 0.6\n"
      "set grid xtics ytics lt 1 lw 0.5 lc rgb '#e0e0e0'\nunset key\nset pointsize 1.1\nset bars small\n\n";

  std::string svg_commands(const std::string& file) const {
    return fmt::format(
        "set terminal svg size {},{} fixed noenhanced font 'sans,12' dashlength 1.2\n"
        "title_font = ',15'\nsmall_font = ',10'\nset output '{}.svg'\n",
        width_, height_, file);
  }
  std::string png_commands() const {
    return fmt::format(
        "set terminal pngcairo size {},{} noenhanced font 'sans,9' fontscale 2 pointscale 2 linewidth 2 "
        "dashlength 1.2 background rgb 'white'\ntitle_font = ',11.5'\nsmall_font = ',7.5'\nset output "
        "'{}.png'\n",
        2 * width_, 2 * height_, figure_.name);
  }

  void place_legend() {
    double x = left_margin;
    legend_rows_ = legend_.empty() ? 0 : 1;
    for (const LegendEntry& entry : legend_) {
      const double needed = 42 + static_cast<double>(text_columns(entry.title)) * character + 24;
      if (x > left_margin && x + needed > width_ - 8) {
        x = left_margin;
        ++legend_rows_;
      }
      legend_places_.push_back({x, static_cast<double>(legend_rows_ - 1)});
      x += needed;
    }
  }

  Rectangle rectangle_of(size_t index) const {
    const auto column = static_cast<double>(static_cast<int>(index) % columns_);
    const auto row = static_cast<double>(static_cast<int>(index) / columns_);
    const double top = top_margin + (top_axis_ ? top_axis_room : 0.0);
    const double panel_bottom = height_ - title_height_ - (row + 1) * figure_.panel_height;
    return {column * figure_.panel_width + left_margin, panel_bottom + bottom_margin,
            figure_.panel_width - left_margin - right_margin, figure_.panel_height - bottom_margin - top};
  }

  std::string screen(double x, double y) const {
    return fmt::format("screen {:.6f},{:.6f}", x / width_, y / height_);
  }

  std::string data_blocks(const PlotPanel& panel, size_t index) const {
    std::string out;
    for (size_t s = 0; s < panel.series.size(); ++s) {
      out += fmt::format("$panel{}_series{} << END  # {}: x, y, x low, x high, y low, y high\n", index, s,
                         one_line(panel.series[s].title));
      for (const PlotPoint& p : panel.series[s].points) {
        if (!drawable(p, panel)) continue;
        out += fmt::format("{:.9g} {:.9g} {:.9g} {:.9g} {:.9g} {:.9g}\n", p.x, p.y, p.x_low.value_or(p.x),
                           p.x_high.value_or(p.x), p.y_low.value_or(p.y), p.y_high.value_or(p.y));
      }
      out += "END\n";
    }
    return out;
  }

  std::string legend_commands() const {
    std::string out = fmt::format("set label {} at {} left font title_font\n", gnuplot_text(figure_.title),
                                  screen(left_margin, height_ - 18));
    for (size_t i = 0; i < legend_.size(); ++i) {
      const LegendEntry& entry = legend_[i];
      const double x = legend_places_[i].first;
      const double y = 12 + (legend_rows_ - 1 - legend_places_[i].second) * legend_line;
      if (entry.kind != Series::Kind::points) {
        out += fmt::format("set arrow from {} to {} nohead lw 1.8 dt {} lc rgb '{}'\n", screen(x, y),
                           screen(x + 34, y), entry.style.dash, entry.style.color);
      }
      const bool marked = entry.kind == Series::Kind::points || entry.kind == Series::Kind::line_points;
      if (marked) {
        out += fmt::format("set label '' at {} point pt {} lc rgb '{}'\n", screen(x + 17, y),
                           entry.style.point, entry.style.color);
      }
      out += fmt::format("set label {} at {} left\n", gnuplot_text(entry.title), screen(x + 40, y));
    }
    return out;
  }

  std::string ticks_command(const std::string& axis, const std::vector<double>& at,
                            const std::vector<std::string>& labels) const {
    std::string list;
    for (size_t i = 0; i < at.size(); ++i) {
      list += fmt::format("{}{} {:.9g}", i == 0 ? "" : ", ", gnuplot_text(labels[i]), at[i]);
    }
    return fmt::format("set {}tics ({})\n", axis, list);
  }

  std::string axis_commands(const PlotAxis& axis, AxisRange range, const std::string& name) const {
    const bool binary = axis.ticks == PlotAxis::Ticks::bytes || axis.ticks == PlotAxis::Ticks::tokens;
    const auto ticks = round_ticks(range, axis.scale, binary);
    return fmt::format("{} logscale {}\nset {}range [{:.9g}:{:.9g}]\n", is_log(axis) ? "set" : "unset", name,
                       name, range.low, range.high) +
           ticks_command(name, ticks, tick_labels(ticks, axis.ticks));
  }

  /// At the panel's edge: beside long tick labels gnuplot's own place for it is outside the figure.
  std::string y_label(const PlotAxis& axis, const Rectangle& at) const {
    return fmt::format("set label {} at {} center rotate by 90\n", gnuplot_text(axis.label),
                       screen(at.left - left_margin + 14, at.bottom + at.height / 2));
  }

  std::string top_commands(const PlotPanel& panel, AxisRange range) const {
    if (!panel.top) return "unset x2tics\nunset x2label\n";
    const TopAxis& top = *panel.top;
    const auto values =
        round_ticks({top.from_bottom(range.low, top.factor), top.from_bottom(range.high, top.factor)},
                    PlotAxis::Scale::linear, false);
    std::vector<double> at;
    for (const double value : values) at.push_back(top.to_bottom(value, top.factor));
    return fmt::format("{} logscale x2\nset x2range [{:.9g}:{:.9g}]\nset x2label {} offset 0,-0.4\n",
                       is_log(panel.x) ? "set" : "unset", range.low, range.high, gnuplot_text(top.label)) +
           ticks_command("x2", at, tick_labels(values, PlotAxis::Ticks::plain));
  }

  std::string reference_commands(const PlotPanel& panel, AxisRange x) const {
    std::string out;
    auto lines = panel.references;
    std::sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) { return a.at > b.at; });
    const int outside = references_outside(panel, x);
    int beyond = 0;
    for (const ReferenceLine& line : lines) {
      if (line.at < x.low || line.at > x.high) {
        const bool after = line.at > x.high;
        out += fmt::format("set label {} at graph {},{} {} tc rgb '#555555' font small_font\n",
                           gnuplot_text(after ? line.label + " →" : "← " + line.label), after ? 0.99 : 0.01,
                           0.035 + 0.05 * beyond++, after ? "right" : "left");
        continue;
      }
      out += fmt::format(
          "set arrow from first {0:.9g}, graph 0 to first {0:.9g}, graph 1 nohead dt 3 lw 1.2 lc rgb "
          "'#777777'\n"
          "set label {1} at first {0:.9g}, graph {2:.3f} left rotate by 90 offset 0.8,0 tc rgb '#555555' "
          "font small_font\n",
          line.at, gnuplot_text(line.label), 0.03 + 0.05 * outside);
    }
    return out;
  }

  std::string label_commands(const PlotPanel& panel, AxisRange x, AxisRange y, const Rectangle& at) const {
    std::vector<LabelAnchor> anchors;
    std::vector<LabelObstacle> lines;
    const auto across = [&](double value) { return fraction(value, x, panel.x) * at.width; };
    const auto up = [&](double value) { return fraction(value, y, panel.y) * at.height; };
    for (const ReferenceLine& line : panel.references)
      lines.push_back({across(line.at), 0, across(line.at), at.height});
    for (const Series& series : panel.series) {
      const bool marked = series.kind == Series::Kind::points || series.kind == Series::Kind::line_points;
      const PlotPoint* last = nullptr;
      for (const PlotPoint& p : series.points) {
        if (!drawable(p, panel)) continue;
        if (marked) anchors.push_back({across(p.x), up(p.y), p.label, series.optional_labels});
        if (series.kind == Series::Kind::points) {
          lines.push_back({across(p.x_low.value_or(p.x)), up(p.y), across(p.x_high.value_or(p.x)), up(p.y)});
          lines.push_back({across(p.x), up(p.y_low.value_or(p.y)), across(p.x), up(p.y_high.value_or(p.y))});
        } else if (last != nullptr && series.kind == Series::Kind::steps) {
          lines.push_back({across(last->x), up(last->y), across(p.x), up(last->y)});
          lines.push_back({across(p.x), up(last->y), across(p.x), up(p.y)});
        } else if (last != nullptr) {
          lines.push_back({across(last->x), up(last->y), across(p.x), up(p.y)});
        }
        last = &p;
      }
    }
    const auto places = place_labels(anchors, lines, at.width, at.height, character, line_height);
    std::string out;
    for (size_t i = 0; i < anchors.size(); ++i) {
      if (anchors[i].text.empty() || !places[i].shown) continue;
      const char* align = places[i].align == LabelPlace::Align::left    ? "left"
                          : places[i].align == LabelPlace::Align::right ? "right"
                                                                        : "center";
      out += fmt::format("set label {} at {} {} front\n", gnuplot_text(anchors[i].text),
                         screen(at.left + places[i].x, at.bottom + places[i].y), align);
    }
    return out;
  }

  std::string panel_commands(const PlotPanel& panel, size_t index) const {
    const AxisRange x = range_of(panel, true);
    const AxisRange y = with_room_below(range_of(panel, false), panel, x);
    const Rectangle at = rectangle_of(index);
    std::string out = fmt::format(
        "set lmargin at screen {:.6f}\nset rmargin at screen {:.6f}\nset bmargin at screen {:.6f}\nset "
        "tmargin at "
        "screen {:.6f}\nset title {}\n",
        at.left / width_, (at.left + at.width) / width_, at.bottom / height_,
        (at.bottom + at.height) / height_, gnuplot_text(panel.title));
    out += axis_commands(panel.x, x, "x") + fmt::format("set xlabel {}\n", gnuplot_text(panel.x.label));
    out += axis_commands(panel.y, y, "y") + y_label(panel.y, at) + top_commands(panel, x);
    out += reference_commands(panel, x) + label_commands(panel, x, y, at);
    std::string plots;
    for (size_t s = 0; s < panel.series.size(); ++s) {
      for (const std::string& part :
           draw_commands(panel.series[s], fmt::format("$panel{}_series{}", index, s))) {
        plots += (plots.empty() ? "plot " : ", ") + part;
      }
    }
    // Labels and arrows belong to the panel that set them; those of the first panel carry the legend too.
    return out + plots + "\nunset label\nunset arrow\n";
  }

  static std::vector<std::string> draw_commands(const Series& series, const std::string& data) {
    const auto& points = series.points;
    if (points.empty()) return {};
    const SeriesStyle& style = series.style;
    const std::string color = fmt::format("lc rgb '{}'", style.color);
    const std::string line = fmt::format("dt {} lw 1.8 {}", style.dash, color);
    const std::string marks =
        fmt::format("{} using 1:2 with points pt {} lw 1.4 {}", data, style.point, color);
    switch (series.kind) {
      case Series::Kind::line:
        return {fmt::format("{} using 1:2 with lines {}", data, line)};
      case Series::Kind::steps:
        return {fmt::format("{} using 1:2 with steps {}", data, line)};
      case Series::Kind::line_points:
        return {fmt::format("{} using 1:2 with lines {}", data, line), marks};
      case Series::Kind::points:
        break;
    }
    const bool x_bars =
        std::any_of(points.begin(), points.end(), [](const auto& p) { return p.x_low || p.x_high; });
    const bool y_bars =
        std::any_of(points.begin(), points.end(), [](const auto& p) { return p.y_low || p.y_high; });
    std::vector<std::string> parts;
    if (x_bars) parts.push_back(fmt::format("{} using 1:2:3:4 with xerrorbars pt 0 lw 1.2 {}", data, color));
    if (y_bars) parts.push_back(fmt::format("{} using 1:2:5:6 with yerrorbars pt 0 lw 1.2 {}", data, color));
    parts.push_back(marks);
    return parts;
  }

  const Figure& figure_;
  std::vector<LegendEntry> legend_ = {};
  std::vector<std::pair<double, double>> legend_places_ = {};
  double title_height_ = title_room;
  bool top_axis_ = false;
  int columns_ = 1, rows_ = 1, legend_rows_ = 0;
  double width_ = 0, height_ = 0;
};

}  // namespace

std::vector<LegendEntry> legend_of(const Figure& figure) {
  std::vector<LegendEntry> entries;
  for (const PlotPanel& panel : figure.panels) {
    for (const Series& series : panel.series) {
      const bool known = std::any_of(entries.begin(), entries.end(),
                                     [&](const LegendEntry& e) { return e.title == series.title; });
      if (!known && !series.title.empty()) entries.push_back({series.title, series.style, series.kind});
    }
  }
  // Lines that points are read against, whichever panel has them.
  std::stable_partition(entries.begin(), entries.end(), [](const LegendEntry& e) {
    return e.kind == Series::Kind::line || e.kind == Series::Kind::steps;
  });
  return entries;
}

std::string gnuplot_script(const Figure& figure) {
  if (figure.panels.empty()) throw Error(fmt::format("figure {} has no panel", figure.name));
  return Script(figure).text();
}

namespace {

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw Error(fmt::format("{}: cannot be written", file.string()));
}

/// With their text; they must hold no elements.
void remove_elements(std::string& text, std::string_view name) {
  const std::string open = fmt::format("<{}>", name);
  const std::string close = fmt::format("</{}>", name);
  for (size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    const size_t end = text.find(close, at);
    if (end == std::string::npos) return;
    text.erase(at, end + close.size() - at);
  }
}

/// gnuplot names things by its own commands, which a browser shows wherever the mouse is.
std::string without_names(std::string svg) {
  remove_elements(svg, "title");
  remove_elements(svg, "desc");
  return svg;
}

void require_drawn(const std::filesystem::path& script, const std::filesystem::path& drawn) {
  std::error_code none;
  if (const auto size = std::filesystem::file_size(drawn, none); none || size == 0) {
    throw Error(fmt::format("gnuplot ran {} but left no {}", script.string(), drawn.string()));
  }
}

}  // namespace

void draw_figure(const Figure& figure, const std::filesystem::path& folder) {
  const auto script = folder / (figure.name + ".gp");
  write_text(script, gnuplot_script(figure));
  run_gnuplot(folder, script.filename());
  for (const char* suffix : {".svg", ".png"}) require_drawn(script, folder / (figure.name + suffix));
  const auto svg = folder / (figure.name + ".svg");
  write_text(svg, without_names(read_file(svg)));
}

std::vector<DrawnPanel> draw_panels(const Figure& figure, const std::filesystem::path& folder) {
  const bool top_axis = Script::has_top_axis(figure);
  std::vector<DrawnPanel> panels;
  std::vector<std::filesystem::path> files;
  std::string text;
  for (const PlotPanel& panel : figure.panels) {
    Figure alone = figure;
    alone.panels = {panel};
    const std::string name = fmt::format("{}-panel-{}", figure.name, panels.size() + 1);
    const Script script(alone, top_axis);
    text += script.panel_text(name);
    files.push_back(folder / (name + ".svg"));
    panels.push_back({"", script.spots(panel)});
  }
  const auto script = folder / (figure.name + "-panels.gp");
  write_text(script, text);
  run_gnuplot(folder, script.filename());
  for (size_t i = 0; i < panels.size(); ++i) {
    require_drawn(script, files[i]);
    panels[i].svg = without_names(read_file(files[i]));
    std::filesystem::remove(files[i]);
  }
  std::filesystem::remove(script);
  return panels;
}

}  // namespace photon::analysis
