// SPDX-License-Identifier: Apache-2.0
// Measured time against the serial floor: how far from perfect kernels every measurement is.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/draw/format.h"
#include "analysis/figures/figures.h"
#include "analysis/join/method_series.h"
#include "analysis/join/row_link.h"
#include "analysis/page/page_template.h"

namespace photon::analysis {
namespace {

PlotPanel panel_of(std::span<const ResultRow> rows, const std::vector<size_t>& members,
                   const std::string& phase, const std::string& title, const Looks& looks) {
  PlotPanel panel;
  panel.title = title;
  panel.x = {.label = fmt::format("serial floor of the {} (s)", phase), .scale = PlotAxis::Scale::log};
  panel.y = {.label = fmt::format("measured {} (s)", phase), .scale = PlotAxis::Scale::log};
  double low = std::numeric_limits<double>::infinity();
  double high = 0.0;
  double least = 1.0;  // fraction of the floor
  std::vector<Series> points;
  for (const size_t i : members) {
    const auto floor = rows[i].number(phase + "_serial_seconds");
    const auto seconds = rows[i].number(phase + "_seconds");
    if (!floor || !seconds || *floor <= 0.0 || *seconds <= 0.0) continue;
    const std::string reached = fmt::format("{:.0f} %", 100.0 * *floor / *seconds);
    series_of_method(points, rows[i], looks)
        .points.push_back(
            {.x = *floor,
             .y = *seconds,
             .label = reached,
             .tip = fmt::format("{}\n{} measured {} s, floor {} s: {} of the floor’s speed", tip_of(rows[i]),
                                phase, significant(*seconds), significant(*floor), reached),
             .link = row_link(i)});
    low = std::min(low, *floor);
    high = std::max(high, *floor);
    least = std::min(least, *floor / *seconds);
  }
  if (points.empty()) return panel;
  low /= 1.6;
  high *= 1.6;
  int dash = 1;
  for (const double fraction : {1.0, 0.6, 0.3, 0.1}) {
    // Lines far above every point would only push the points together.
    if (fraction < 0.5 * least) break;
    Series line;
    line.title = fmt::format("floor / measured = {:.0f} %", 100.0 * fraction);
    line.style = {"#888888", 0, dash++};
    line.kind = Series::Kind::line;
    line.points = {{.x = low, .y = low / fraction}, {.x = high, .y = high / fraction}};
    panel.series.push_back(std::move(line));
  }
  panel.series.insert(panel.series.end(), points.begin(), points.end());
  return panel;
}

bool above_one(std::span<const ResultRow> rows, const std::vector<size_t>& members) {
  return std::any_of(members.begin(), members.end(), [&](size_t i) {
    return rows[i].number("prefill_serial_fraction").value_or(0.0) > 1.0 ||
           rows[i].number("decode_serial_fraction").value_or(0.0) > 1.0;
  });
}

}  // namespace

std::vector<CaptionedFigure> floor_figures(std::span<const ResultRow> rows, Looks looks) {
  for (const ResultRow& row : rows) add_models(looks, row);
  std::vector<std::pair<std::string, std::vector<size_t>>> groups;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].text("kind") != "bench") continue;
    const std::string title = fmt::format("{} on {}", rows[i].text("regime"), rows[i].text("device"));
    auto at = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == title; });
    if (at == groups.end()) at = groups.insert(groups.end(), {title, {}});
    at->second.push_back(i);
  }
  std::vector<CaptionedFigure> figures;
  for (const auto& [title, members] : groups) {
    Figure figure;
    figure.name = fmt::format("floor-{}", figures.size() + 1);
    figure.title = fmt::format("Measured time against the serial floor, {}", rows[members[0]].text("regime"));
    for (const char* phase : {"prefill", "decode"}) {
      PlotPanel panel = panel_of(rows, members, phase, fmt::format("{}, all rows", phase), looks);
      if (!panel.series.empty()) figure.panels.push_back(std::move(panel));
    }
    if (figure.panels.empty()) continue;
    figures.push_back(
        {std::move(figure),
         page_template().fill(
             "figure-floor",
             {{"rows", title},
              {"above-one", above_one(rows, members) ? fmt::format(" {}", above_one_text) : ""}})});
  }
  return figures;
}

}  // namespace photon::analysis
