// SPDX-License-Identifier: Apache-2.0
// What else shrinks a cache, beside PHOTON: closed forms of other architectures, evictions and element types
// for one size of model.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "analysis/alternatives/alternatives.h"
#include "analysis/draw/format.h"
#include "analysis/figures/figures.h"
#include "analysis/page/page_template.h"

namespace photon::analysis {
namespace {

using alternatives::Alternative;
using alternatives::Answers;

constexpr int64_t shortest = int64_t{2} << 10;
constexpr int64_t longest = int64_t{1} << 20;

/// A colour for what becomes of the answers, a dash and a point for the line; known methods keep their own
/// look.
class AlternativeLooks {
 public:
  AlternativeLooks(const Looks& looks, const std::string& base) : looks_(looks), base_(base) {}

  SeriesStyle of(const Alternative& a) {
    if (a.name == "multi-head") return looks_.of(base_, "Vanilla");
    if (a.name == "Block Transformer") return looks_.of("", "Block");
    if (a.name.starts_with("PHOTON")) return looks_.of("", a.name);
    static constexpr std::array<const char*, 4> colors = {"#333333", "#8a6d1c", "#cc79a7", "#b2182b"};
    static constexpr std::array<int, 7> points = {4, 6, 8, 10, 14, 1, 2};
    const int index = used_[a.answers]++;
    return {colors[static_cast<size_t>(a.answers)], points[static_cast<size_t>(index) % points.size()],
            2 + index % 4};
  }

 private:
  const Looks& looks_;
  std::string base_;
  std::map<Answers, int> used_;
};

std::string marked(const Alternative& a) {
  switch (a.answers) {
    case Answers::tokens_dropped:
      return a.name + " †";
    case Answers::rounded:
      return a.name + " ‡";
    case Answers::trained:
      return a.name + " *";
    case Answers::same:
      break;
  }
  return a.name;
}

/// Where names at the end of lines are written: as near the lines' ends as they can be with `gap` between
/// them.
std::vector<double> spread(const std::vector<double>& ends, double gap) {
  struct Cluster {
    std::vector<size_t> members;
    /// Sum of where its lowest name would have to be for each member to stand at its end
    double wanted = 0.0;

    double low() const { return wanted / static_cast<double>(members.size()); }
    double high(double step) const { return low() + step * static_cast<double>(members.size()); }
  };
  std::vector<size_t> order(ends.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ends[a] < ends[b]; });
  std::vector<Cluster> clusters;
  for (const size_t i : order) {
    clusters.push_back({{i}, ends[i]});
    while (clusters.size() > 1 && clusters[clusters.size() - 2].high(gap) > clusters.back().low()) {
      const Cluster above = clusters.back();
      clusters.pop_back();
      Cluster& below = clusters.back();
      const auto size = static_cast<double>(below.members.size());
      below.wanted += above.wanted - gap * size * static_cast<double>(above.members.size());
      below.members.insert(below.members.end(), above.members.begin(), above.members.end());
    }
  }
  std::vector<double> places(ends.size());
  for (const Cluster& c : clusters)
    for (size_t k = 0; k < c.members.size(); ++k)
      places[c.members[k]] = c.low() + gap * static_cast<double>(k);
  return places;
}

/// Names on the right with a thin line to each line's end: a legend of fifteen lines would be read back and
/// forth.
void name_lines(PlotPanel& panel, const std::vector<std::string>& names) {
  std::vector<double> ends;
  for (const Series& s : panel.series) ends.push_back(std::log(s.points.back().y));
  const double gap =
      std::log(*panel.y.high / *panel.y.low) / 29.0;  // a line of text in a panel of that height
  const auto places = spread(ends, gap);
  const size_t lines = panel.series.size();
  for (size_t i = 0; i < lines; ++i) {
    const PlotPoint end = panel.series[i].points.back();
    const double place = std::exp(places[i]);
    const SeriesStyle thin{panel.series[i].style.color, 0, 1};
    panel.series.push_back({"",
                            thin,
                            Series::Kind::line,
                            {{.x = 1.12 * end.x, .y = end.y}, {.x = 1.7 * end.x, .y = place}},
                            false});
    panel.series.push_back(
        {"", thin, Series::Kind::points, {{.x = 1.75 * end.x, .y = place, .label = names[i]}}, false});
  }
}

template <class Value>
Figure figure_of(const std::vector<Alternative>& list, AlternativeLooks looks, const std::string& name,
                 const std::string& title, const std::string& y_label, Value value) {
  Figure figure;
  figure.name = name;
  figure.title = title;
  figure.columns = 1;
  figure.panel_width = 920;
  figure.panel_height = 600;
  PlotPanel panel;
  panel.x = {.label = "context (tokens)",
             .scale = PlotAxis::Scale::log,
             .ticks = PlotAxis::Ticks::tokens,
             .low = 0.85 * shortest,
             .high = 14.0 * longest};
  panel.y = {.label = y_label, .scale = PlotAxis::Scale::log, .ticks = PlotAxis::Ticks::bytes};
  std::vector<std::string> names;
  double low = std::numeric_limits<double>::infinity();
  double high = 0.0;
  for (const Alternative& a : list) {
    if (!a.in_figures) continue;
    Series series{"", looks.of(a), Series::Kind::line_points, {}, false};
    for (int64_t context = shortest; context <= longest; context *= 2) {
      const double y = value(a.at(context));
      series.points.push_back({.x = static_cast<double>(context),
                               .y = y,
                               .tip = fmt::format("{}\ncontext of {} tokens: {}", a.name,
                                                  with_commas(std::to_string(context)), readable_bytes(y))});
      low = std::min(low, y);
      high = std::max(high, y);
    }
    names.push_back(marked(a));
    panel.series.push_back(std::move(series));
  }
  panel.y.low = low / 2.0;
  panel.y.high = high * 4.0;
  name_lines(panel, names);
  figure.panels.push_back(std::move(panel));
  return figure;
}

}  // namespace

std::vector<CaptionedFigure> alternative_figures(const ModelSpec& base, int element_bytes,
                                                 const Looks& page_looks) {
  const auto list = alternatives::alternatives(base, element_bytes);
  const PageTemplate& page = page_template();
  const Html marks =
      page.fill("alternatives-marks", {{"model", base.name}, {"bytes", fmt::to_string(element_bytes)}});
  std::string settings;
  for (const Alternative& a : list) {
    settings += fmt::format("{}{}: {} ({})", settings.empty() ? "" : "; ", a.name, a.setting, a.source);
  }
  const AlternativeLooks looks(page_looks, base.name);
  std::vector<CaptionedFigure> figures;
  figures.push_back({figure_of(list, looks, "alternatives-kv-bytes",
                               "KV bytes of one sample: PHOTON beside what else shrinks a cache",
                               "KV bytes a sample", [](const alternatives::Cost& c) { return c.held; }),
                     page.fill("figure-alternatives-kv-bytes", {{"marks", marks}, {"settings", settings}})});
  figures.push_back(
      {figure_of(list, looks, "alternatives-traffic", "KV bytes moved for one decoded token",
                 "KV bytes read and written a token", [](const alternatives::Cost& c) { return c.moved(); }),
       page.fill("figure-alternatives-traffic",
                 {{"answer", fmt::to_string(alternatives::answer_tokens)}, {"marks", marks}})});
  return figures;
}

}  // namespace photon::analysis
