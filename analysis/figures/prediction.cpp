// SPDX-License-Identifier: Apache-2.0
// Predicted against measured time: how far the traffic model is off, row by row.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/draw/format.h"
#include "analysis/figures/figures.h"
#include "analysis/join/method_series.h"
#include "analysis/join/prediction.h"
#include "analysis/join/row_link.h"
#include "analysis/page/page_template.h"

namespace photon::analysis {
namespace {

constexpr double band = prediction_limits.p90;

PlotPanel panel_of(std::span<const ResultRow> rows, const Validation& validation, const std::string& phase,
                   PhaseTimes (*times)(const PredictedRow&), const Looks& looks) {
  PlotPanel panel;
  panel.title = phase;
  panel.x = {.label = fmt::format("measured {} (s)", phase), .scale = PlotAxis::Scale::log};
  panel.y = {.label = fmt::format("predicted {} (s)", phase), .scale = PlotAxis::Scale::log};
  double low = std::numeric_limits<double>::infinity();
  double high = 0.0;
  std::vector<Series> points;
  for (const PredictedRow& predicted : validation.rows) {
    const PhaseTimes at = times(predicted);
    if (at.measured <= 0.0 || at.predicted <= 0.0) continue;
    const double error = *at.error();
    series_of_method(points, rows[predicted.row], looks)
        .points.push_back({.x = at.measured,
                           .y = at.predicted,
                           .label = std::abs(error) > band ? fmt::format("{:+.0f} %", 100.0 * error) : "",
                           .tip = fmt::format("{}\n{} measured {} s, predicted {} s: {:+.1f} %",
                                              tip_of(rows[predicted.row]), phase, significant(at.measured),
                                              significant(at.predicted), 100.0 * error),
                           .link = row_link(predicted.row)});
    low = std::min(low, at.measured);
    high = std::max(high, at.measured);
  }
  if (points.empty()) return panel;
  // Rows come worst first; a legend's order should not.
  std::sort(points.begin(), points.end(), [](const Series& a, const Series& b) { return a.title < b.title; });
  low /= 1.4;
  high *= 1.4;
  const auto line = [&](const std::string& title, double factor, int dash) {
    Series s{.title = title, .style = {"#888888", 0, dash}, .kind = Series::Kind::line};
    s.points = {{.x = low, .y = low * factor}, {.x = high, .y = high * factor}};
    panel.series.push_back(std::move(s));
  };
  line("predicted = measured", 1.0, 1);
  const std::string off = fmt::format("off by {:.0f} %", 100.0 * band);
  line(off, 1.0 + band, 2);
  line(off, 1.0 - band, 2);
  panel.series.insert(panel.series.end(), points.begin(), points.end());
  return panel;
}

}  // namespace

std::vector<CaptionedFigure> prediction_figures(std::span<const ResultRow> rows, Looks looks) {
  for (const ResultRow& row : rows) add_models(looks, row);
  std::vector<CaptionedFigure> figures;
  for (const Validation& v : validations(rows)) {
    Figure figure;
    figure.name = fmt::format("prediction-{}", figures.size() + 1);
    figure.title = "Predicted against measured time";
    figure.columns = 3;
    figure.panel_width = 400;
    figure.panels = {panel_of(
                         rows, v, "prefill", [](const PredictedRow& r) { return r.prefill; }, looks),
                     panel_of(
                         rows, v, "decode", [](const PredictedRow& r) { return r.decode; }, looks),
                     panel_of(
                         rows, v, "request", [](const PredictedRow& r) { return r.request(); }, looks)};
    std::erase_if(figure.panels, [](const PlotPanel& p) { return p.series.empty(); });
    const auto percents = [](const ErrorSpread& s) {
      return fmt::format("{:.1f} % and {:.1f} %", 100.0 * s.median, 100.0 * s.p90);
    };
    std::string regimes;
    for (const PredictionErrors& regime : v.regimes) {
      regimes += fmt::format("; of {} of {}, the request {}", rows_text(regime.request.rows), regime.name,
                             percents(regime.request));
    }
    figures.push_back(
        {std::move(figure),
         page_template().fill("figure-prediction", {{"rows", rows_text(v.all.request.rows)},
                                                    {"machine", v.machine},
                                                    {"prefill", percents(v.all.prefill)},
                                                    {"decode", percents(v.all.decode)},
                                                    {"request", percents(v.all.request)},
                                                    {"regimes", regimes},
                                                    {"bias", fmt::format("{:+.1f}", 100.0 * v.all.bias)},
                                                    {"far", fmt::format("{:.0f}", 100.0 * band)}})});
  }
  return figures;
}

}  // namespace photon::analysis
