// SPDX-License-Identifier: Apache-2.0
// What is measured as several samples share one prompt: throughput, time to the first token, memory of a
// sample, against their number.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "analysis/draw/format.h"
#include "analysis/figures/figures.h"
#include "analysis/join/method_series.h"
#include "analysis/join/row_link.h"
#include "analysis/page/page_template.h"

namespace photon::analysis {
namespace {

using Value = std::optional<double> (*)(const ResultRow&);

std::optional<double> throughput(const ResultRow& r) {
  return r.number("throughput_tokens_per_s");
}
std::optional<double> first_token(const ResultRow& r) {
  return r.number("ttft_seconds");
}
std::optional<double> sample_bytes(const ResultRow& r) {
  const auto growing = r.number("kv_bytes_planned_per_sample");
  const auto local = r.number("local_bytes_per_sample");
  if (!growing || !local) return std::nullopt;
  return *growing + *local;
}

/// A model and way of generating: by the number of samples, the batch of the largest throughput measured; of
/// several such rows the latest counts.
struct Curve {
  std::string title;
  SeriesStyle style;
  std::map<int64_t, const ResultRow*> rows;
};

std::vector<Curve> curves_of(const std::vector<const ResultRow*>& rows, const Looks& looks) {
  std::vector<Curve> curves;
  for (const ResultRow* row : rows) {
    const std::string& model = row->text("model");
    const std::string title = looks.title(model, method_of(*row));
    auto at = std::find_if(curves.begin(), curves.end(), [&](const Curve& c) { return c.title == title; });
    if (at == curves.end()) at = curves.insert(at, {title, looks.of(model, method_of(*row)), {}});
    const auto count = static_cast<int64_t>(*row->number("samples_per_prompt"));
    const ResultRow*& best = at->rows[count];
    if (best == nullptr || row->text("batch") == best->text("batch") ||
        throughput(*row).value_or(0.0) > throughput(*best).value_or(0.0)) {
      best = row;
    }
  }
  std::erase_if(curves, [](const Curve& c) { return c.rows.size() < 2; });
  return curves;
}

PlotPanel panel_of(const std::vector<Curve>& curves, const ResultRow* first, const std::string& title,
                   const std::string& label, PlotAxis::Ticks ticks, Value value) {
  PlotPanel panel;
  panel.title = title;
  panel.x = {.label = "samples of a prompt", .scale = PlotAxis::Scale::log};
  panel.y = {.label = label, .scale = PlotAxis::Scale::log, .ticks = ticks};
  for (const Curve& curve : curves) {
    Series series{curve.title, curve.style, Series::Kind::line_points, {}, false};
    for (const auto& [count, row] : curve.rows) {
      const auto y = value(*row);
      if (!y || *y <= 0.0) continue;
      series.points.push_back(
          {.x = static_cast<double>(count),
           .y = *y,
           .tip = fmt::format(
               "{}\n{}: {}", tip_of(*row), title,
               ticks == PlotAxis::Ticks::bytes ? readable_bytes(*y) : significant(*y) + " " + label),
           .link = row_link(static_cast<size_t>(row - first))});
    }
    if (!series.points.empty()) panel.series.push_back(std::move(series));
  }
  return panel;
}

/// "48.0 MiB to 81.3 MiB, at each N within 4 % of one another": of the caches behind the points.
std::string caches_of(const std::vector<Curve>& curves) {
  std::map<int64_t, std::vector<double>> held;  // by N
  for (const Curve& curve : curves) {
    for (const auto& [count, row] : curve.rows) {
      const auto bytes = sample_bytes(*row);
      const auto batch = row->number("batch");
      if (bytes && batch) held[count].push_back(*bytes * *batch);
    }
  }
  if (held.empty()) return "an unknown amount";
  double low = std::numeric_limits<double>::infinity();
  double high = 0.0;
  double apart = 0.0;  // 1 - least / most at one N
  for (const auto& [count, bytes] : held) {
    const auto [least, most] = std::minmax_element(bytes.begin(), bytes.end());
    low = std::min(low, *least);
    high = std::max(high, *most);
    if (*most > 0.0) apart = std::max(apart, 1.0 - *least / *most);
  }
  return fmt::format("{} to {}, at each N within {:.0f} % of one another", readable_bytes(low),
                     readable_bytes(high), std::ceil(100.0 * apart));
}

}  // namespace

std::vector<CaptionedFigure> sample_figures(std::span<const ResultRow> rows, Looks looks) {
  for (const ResultRow& row : rows) add_models(looks, row);
  std::vector<std::pair<std::string, std::vector<const ResultRow*>>> groups;
  for (const ResultRow& row : rows) {
    if (row.text("kind") != "bench" || row.empty("samples_per_prompt")) continue;
    const std::string title = fmt::format("{} tokens in and {} out on {}, {}", row.text("prompt"),
                                          row.text("new_tokens"), row.text("device"), row.text("dtype"));
    auto at = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == title; });
    if (at == groups.end()) at = groups.insert(at, {title, {}});
    at->second.push_back(&row);
  }
  std::vector<CaptionedFigure> out;
  for (const auto& [title, group] : groups) {
    const std::vector<Curve> curves = curves_of(group, looks);
    if (curves.empty()) continue;
    Figure figure;
    figure.name = fmt::format("samples-{}", out.size() + 1);
    figure.title = "Samples of one prompt";
    figure.panels = {
        panel_of(curves, rows.data(), "throughput", "tokens/s, out", PlotAxis::Ticks::prefixed, throughput),
        panel_of(curves, rows.data(), "time to the first token", "seconds", PlotAxis::Ticks::plain,
                 first_token),
        panel_of(curves, rows.data(), "memory of a sample", "caches", PlotAxis::Ticks::bytes, sample_bytes)};
    std::erase_if(figure.panels, [](const PlotPanel& p) { return p.series.empty(); });
    if (figure.panels.empty()) continue;
    out.push_back(
        {std::move(figure),
         page_template().fill("figure-samples", {{"workload", title}, {"caches", caches_of(curves)}})});
  }
  return out;
}

}  // namespace photon::analysis
