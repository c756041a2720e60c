// SPDX-License-Identifier: Apache-2.0
// What a simulated fleet does as its load, its contexts or the samples of a prompt grow.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/draw/format.h"
#include "analysis/figures/figures.h"
#include "analysis/join/measurements.h"
#include "analysis/join/row_link.h"
#include "analysis/page/page_template.h"

namespace photon::analysis {
namespace {

using simulation::Row;
using Value = double (*)(const Row&);

/// A model and way of generating: one curve, and where the efficiency is a band its two edges.
struct Curve {
  std::string title;
  SeriesStyle style;
  std::vector<const Row*> low, mid, high;
};

/// Rows of one figure, among those of the page.
struct Group {
  std::vector<const Row*> rows;
  const Row* first;  ///< of the page's
  const Looks* looks;

  auto begin() const { return rows.begin(); }
  auto end() const { return rows.end(); }
};

std::string method_of(const Row& row) {
  return method_name(row.architecture, row.generation, "");
}

std::vector<Curve> curves_of(const Group& rows) {
  std::vector<Curve> curves;
  for (const Row* row : rows) {
    const std::string title = rows.looks->title(row->model, method_of(*row));
    auto at = std::find_if(curves.begin(), curves.end(), [&](const Curve& c) { return c.title == title; });
    if (at == curves.end())
      at = curves.insert(at, {title, rows.looks->of(row->model, method_of(*row)), {}, {}, {}});
    (row->band == "low" ? at->low : row->band == "high" ? at->high : at->mid).push_back(row);
  }
  return curves;
}

std::string tip_of(const Row& row, const std::string& what, double value, const std::string& unit) {
  std::string tip = fmt::format("{}, {}\n{}", row.model, method_of(row), row.hardware);
  if (std::isfinite(row.batch_mean)) tip += fmt::format(", mean batch {}", significant(row.batch_mean));
  if (std::isfinite(row.offered_requests_per_s))
    tip += fmt::format("\n{} requests/s offered", significant(row.offered_requests_per_s));
  return tip + fmt::format("\n{}: {} {}", what, significant(value), unit);
}

/// The curve's rows, or those of one edge of its band, in the panel.
Series series_of(const Curve& curve, const std::vector<const Row*>& rows, Value x, Value y, bool edge,
                 const PlotPanel& panel, const Row* first) {
  Series series{
      edge ? "" : curve.title, curve.style, edge ? Series::Kind::line : Series::Kind::line_points, {}, false};
  if (edge) series.style.dash = 3;
  for (const Row* row : rows) {
    const PlotPoint point{.x = x(*row),
                          .y = y(*row),
                          .tip = tip_of(*row, panel.title, y(*row), panel.y.label),
                          .link = simulated_row_link(static_cast<size_t>(row - first))};
    if (std::isfinite(point.x) && std::isfinite(point.y) && point.y > 0.0) series.points.push_back(point);
  }
  return series;
}

PlotPanel panel_of(const Group& rows, const std::string& title, PlotAxis x_axis, Value x, PlotAxis y_axis,
                   Value y) {
  PlotPanel panel;
  panel.title = title;
  panel.x = std::move(x_axis);
  panel.y = std::move(y_axis);
  for (const Curve& curve : curves_of(rows)) {
    for (const auto* const edge : {&curve.low, &curve.high}) {
      if (!edge->empty()) panel.series.push_back(series_of(curve, *edge, x, y, true, panel, rows.first));
    }
    panel.series.push_back(series_of(curve, curve.mid, x, y, false, panel, rows.first));
  }
  return panel;
}

bool drawable(const PlotPanel& panel) {
  return std::any_of(panel.series.begin(), panel.series.end(),
                     [](const Series& s) { return !s.points.empty(); });
}

PlotAxis log_axis(const char* label, PlotAxis::Ticks ticks = PlotAxis::Ticks::prefixed) {
  return {.label = label, .scale = PlotAxis::Scale::log, .ticks = ticks};
}

double throughput(const Row& r) {
  return r.throughput_tokens_per_s;
}
double offered(const Row& r) {
  return r.offered_requests_per_s;
}
double context(const Row& r) {
  return r.prompt + r.new_tokens;
}
double samples(const Row& r) {
  return static_cast<double>(r.samples_per_prompt);
}

/// Rows that differ in nothing but the load.
void load_figure(const Group& rows, const std::string& name, std::vector<CaptionedFigure>& out) {
  Figure figure{.name = name, .title = "Latency against throughput", .panels = {}};
  const PlotAxis x = log_axis("tokens/s, out");
  figure.panels = {
      panel_of(rows, "time to first token, p99", x, throughput, log_axis("seconds", PlotAxis::Ticks::plain),
               [](const Row& r) { return r.ttft_p99_seconds; }),
      panel_of(rows, "between two bursts, p99", x, throughput, log_axis("seconds", PlotAxis::Ticks::plain),
               [](const Row& r) { return r.burst_p99_seconds; }),
      panel_of(rows, "a token after the first burst, p50", x, throughput,
               log_axis("seconds", PlotAxis::Ticks::plain), [](const Row& r) { return r.token_p50_seconds; }),
      panel_of(rows, "done within the limits", log_axis("requests/s, offered"), offered,
               log_axis("requests/s"), [](const Row& r) { return r.goodput_requests_per_s; })};
  std::erase_if(figure.panels, [](const PlotPanel& p) { return !drawable(p); });
  if (figure.panels.empty()) return;
  out.push_back({std::move(figure), page_template().fill("figure-simulated-load")});
}

/// What a fleet can do at most as `x` grows.
void capacity_figure(const Group& rows, const std::string& name, const std::string& title, const PlotAxis& x,
                     Value at, std::vector<CaptionedFigure>& out) {
  Figure figure{.name = name, .title = title, .panels = {}};
  figure.panels = {panel_of(rows, "throughput", x, at, log_axis("tokens/s, out"), throughput),
                   panel_of(rows, "requests that a GiB of cache holds", x, at, log_axis("requests/GiB"),
                            [](const Row& r) { return r.requests_per_gib; }),
                   panel_of(rows, "cost", x, at, log_axis("$ a million tokens", PlotAxis::Ticks::plain),
                            [](const Row& r) { return r.cost_per_million_tokens; }),
                   panel_of(rows, "energy", x, at, log_axis("kWh a million tokens", PlotAxis::Ticks::plain),
                            [](const Row& r) { return r.energy_kwh_per_million_tokens; })};
  std::erase_if(figure.panels, [](const PlotPanel& p) { return !drawable(p); });
  if (figure.panels.empty()) return;
  out.push_back({std::move(figure), page_template().fill("figure-simulated-capacity")});
}

template <class Key>
std::set<Key> distinct(const Group& rows, Key (*key)(const Row&)) {
  std::set<Key> keys;
  for (const Row* row : rows) keys.insert(key(*row));
  return keys;
}

/// Everything but model, generation, band and what `without` names: rows of one figure agree in it.
std::string setting_of(const Row& r, std::string_view without) {
  std::string key = r.hardware + '|' + r.dtype + '|' + std::to_string(r.replicas) + '|' +
                    std::to_string(r.row_limit) + '|' + std::to_string(r.shared_prefix) + '|' + r.answer_law;
  if (without != "load") key += '|' + std::to_string(r.offered_requests_per_s);
  if (without != "context") key += '|' + r.prompt_law;
  if (without != "samples") key += '|' + std::to_string(r.samples_per_prompt);
  return key;
}

std::vector<Group> groups_of(std::span<const Row> rows, const Looks& looks, std::string_view without,
                             bool at_once) {
  std::vector<std::pair<std::string, Group>> groups;
  for (const Row& row : rows) {
    if ((row.arrivals == "at once") != at_once) continue;
    const std::string key = setting_of(row, without);
    auto at = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == key; });
    if (at == groups.end()) at = groups.insert(at, {key, {{}, rows.data(), &looks}});
    at->second.rows.push_back(&row);
  }
  std::vector<Group> out;
  for (auto& [key, group] : groups) out.push_back(std::move(group));
  return out;
}

std::string numbered(const std::string& name, size_t count) {
  return count == 0 ? name : name + "-" + std::to_string(count + 1);
}

}  // namespace

std::vector<CaptionedFigure> simulation_figures(std::span<const Row> rows, Looks looks) {
  for (const Row& row : rows) looks.add(row.model, method_of(row));
  std::vector<CaptionedFigure> out;
  size_t count = 0;
  for (const auto& group : groups_of(rows, looks, "load", false)) {
    if (distinct<double>(group, [](const Row& r) { return r.offered_requests_per_s; }).size() < 2) continue;
    load_figure(group, numbered("simulated-load", count++), out);
  }
  count = 0;
  for (const auto& group : groups_of(rows, looks, "context", true)) {
    if (distinct<double>(group, context).size() < 2) continue;
    capacity_figure(group, numbered("simulated-context", count++), "One fleet as context grows",
                    log_axis("context (tokens)", PlotAxis::Ticks::tokens), context, out);
  }
  count = 0;
  for (const auto& group : groups_of(rows, looks, "samples", true)) {
    if (distinct<double>(group, samples).size() < 2) continue;
    capacity_figure(group, numbered("simulated-samples", count++), "One fleet as samples share a prompt",
                    log_axis("samples of a prompt", PlotAxis::Ticks::plain), samples, out);
  }
  return out;
}

}  // namespace photon::analysis
