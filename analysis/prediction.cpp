#include "analysis/prediction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/format.h"
#include "analysis/html.h"
#include "analysis/measurements.h"

namespace photon::analysis {
namespace {

/// Between order statistics, linearly.
double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return std::lerp(values[below], values[above], at - static_cast<double>(below));
}

std::string regime_of(const ResultRow& row) {
  const std::string& regime = row.text("regime");
  if (regime.starts_with("pf")) return "PF";
  if (regime.starts_with("de")) return "DE";
  return "other";
}

std::optional<double> error(std::optional<double> predicted, std::optional<double> measured) {
  if (!predicted || !measured || !(*predicted > 0.0) || !(*measured > 0.0)) return std::nullopt;
  return *predicted / *measured - 1.0;
}

std::string percent(double share) {
  return fmt::format("{:.0f} %", 100.0 * share);
}

std::string signed_percent(const std::optional<double>& share) {
  return share ? fmt::format("{:+.0f} %", 100.0 * *share) : "";
}

/// Panel `phase`, or of both together.
PlotPanel panel_of(std::span<const ResultRow> rows, std::span<const PredictedRow> members,
                   const std::string& title, const std::vector<std::string>& phases) {
  PlotPanel panel;
  panel.title = title;
  panel.x = {.label = fmt::format("measured {} (s)", title), .scale = PlotAxis::Scale::log};
  panel.y = {.label = fmt::format("predicted {} (s)", title), .scale = PlotAxis::Scale::log};
  std::vector<Series> points;
  double low = 0.0;
  double high = 0.0;
  for (const PredictedRow& member : members) {
    const ResultRow& row = rows[member.row];
    double measured = 0.0;
    double predicted = 0.0;
    for (const std::string& phase : phases) {
      measured += row.number(phase + "_seconds").value_or(0.0);
      predicted += row.number(phase + "_predicted_seconds").value_or(0.0);
    }
    if (!(measured > 0.0) || !(predicted > 0.0)) continue;
    const std::string method =
        method_name(row.text("architecture"), row.text("generation"), row.text("schedule"));
    auto at = std::find_if(points.begin(), points.end(), [&](const Series& s) { return s.title == method; });
    if (at == points.end())
      at = points.insert(points.end(), {method, style_of_method(method), Series::Kind::points, {}, true});
    at->points.push_back({.x = measured, .y = predicted});
    low = low == 0.0 ? measured : std::min(low, measured);
    high = std::max(high, measured);
  }
  if (points.empty()) return panel;
  int dash = 1;
  for (const double off : {0.0, PredictionLimits::p90, -PredictionLimits::p90}) {
    Series line;
    line.title =
        off == 0.0 ? "predicted = measured" : fmt::format("off by {}", percent(PredictionLimits::p90));
    if (off >= 0.0) ++dash;
    line.style = {"#888888", 0, dash};
    line.kind = Series::Kind::line;
    line.points = {{.x = low / 1.6, .y = low / 1.6 * (1.0 + off)},
                   {.x = high * 1.6, .y = high * 1.6 * (1.0 + off)}};
    panel.series.push_back(std::move(line));
  }
  panel.series.insert(panel.series.end(), points.begin(), points.end());
  return panel;
}

}  // namespace

std::vector<PredictedRow> predicted_rows(std::span<const ResultRow> rows) {
  std::vector<PredictedRow> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ResultRow& row = rows[i];
    if (row.text("kind") != "bench") continue;
    PredictedRow p;
    p.row = i;
    p.decode = error(row.number("decode_predicted_seconds"), row.number("decode_seconds"));
    if (!p.decode) continue;
    p.prefill = error(row.number("prefill_predicted_seconds"), row.number("prefill_seconds"));
    const double measured = *row.number("decode_seconds") + row.number("prefill_seconds").value_or(0.0);
    const double predicted =
        *row.number("decode_predicted_seconds") + row.number("prefill_predicted_seconds").value_or(0.0);
    p.request = predicted / measured - 1.0;
    out.push_back(p);
  }
  return out;
}

std::vector<PredictionErrors> prediction_errors(std::span<const ResultRow> rows) {
  const auto predicted = predicted_rows(rows);
  std::vector<PredictionErrors> out;
  for (const char* name : {"PF", "DE", "other", "all"}) {
    std::vector<double> errors;
    for (const PredictedRow& p : predicted) {
      if (name == std::string_view("all") || regime_of(rows[p.row]) == name)
        errors.push_back(std::abs(p.request));
    }
    if (!errors.empty()) out.push_back({name, errors.size(), quantile(errors, 0.5), quantile(errors, 0.9)});
  }
  return out;
}

bool within_limits(std::span<const PredictionErrors> errors) {
  size_t regimes = 0;
  for (const PredictionErrors& e : errors) {
    if ((e.name == "PF" || e.name == "DE") && e.rows >= PredictionLimits::rows_a_regime) ++regimes;
  }
  return regimes == 2 && !errors.empty() && errors.back().rows >= PredictionLimits::rows &&
         errors.back().median <= PredictionLimits::median && errors.back().p90 <= PredictionLimits::p90;
}

std::string prediction_summary(std::span<const ResultRow> rows) {
  const auto errors = prediction_errors(rows);
  if (errors.empty()) return "";
  std::string out = "time of a request predicted";
  for (auto e = errors.rbegin(); e != errors.rend(); ++e) {
    out +=
        fmt::format("{} {}: {} rows, off by {} (median), {} (90th percentile)",
                    e == errors.rbegin() ? "," : ";", e->name, e->rows, percent(e->median), percent(e->p90));
  }
  return out + fmt::format(". {} what is asked: {} rows, {} of PF and of DE, {} and {}",
                           within_limits(errors) ? "Within" : "Not within", PredictionLimits::rows,
                           PredictionLimits::rows_a_regime, percent(PredictionLimits::median),
                           percent(PredictionLimits::p90));
}

std::vector<CaptionedFigure> prediction_figures(std::span<const ResultRow> rows) {
  const auto members = predicted_rows(rows);
  if (members.empty()) return {};
  Figure figure;
  figure.name = "prediction";
  figure.title = "Predicted against measured time";
  figure.columns = 3;
  figure.panel_width = 380;
  for (PlotPanel panel :
       {panel_of(rows, members, "prefill", {"prefill"}), panel_of(rows, members, "decode", {"decode"}),
        panel_of(rows, members, "request", {"prefill", "decode"})}) {
    if (!panel.series.empty()) figure.panels.push_back(std::move(panel));
  }
  return {{std::move(figure),
           fmt::format(
               "Each point is a row; what it was predicted from are times of single kernels, taken before "
               "it was measured, and no row. {}. Every row is in the table below.",
               html_escape(prediction_summary(rows)))}};
}

std::string prediction_table(std::span<const ResultRow> rows) {
  auto members = predicted_rows(rows);
  if (members.empty()) return "";
  std::stable_sort(members.begin(), members.end(), [](const PredictedRow& a, const PredictedRow& b) {
    return std::abs(a.request) > std::abs(b.request);
  });
  HtmlTable table;
  table.caption = "Predicted times, the largest error first; none is left out";
  table.columns = {{"model", "", true},
                   {"regime", "", true},
                   {"generation", "", true},
                   {"batch", ""},
                   {"prefill", "s"},
                   {"predicted", "s"},
                   {"error", ""},
                   {"bound", "", true},
                   {"decode", "s"},
                   {"predicted", "s"},
                   {"error", ""},
                   {"bound", "", true},
                   {"request", "error"},
                   {"spread", "of the runs"},
                   {"runs", ""}};
  for (const PredictedRow& p : members) {
    const ResultRow& row = rows[p.row];
    const auto seconds = [&](const char* column) {
      const auto value = row.number(column);
      return value ? significant(*value) : std::string();
    };
    table.rows.push_back({html_escape(row.text("model")), html_escape(row.text("regime")),
                          html_escape(row.text("generation") + " " + row.text("schedule")), row.text("batch"),
                          seconds("prefill_seconds"), seconds("prefill_predicted_seconds"),
                          signed_percent(p.prefill), row.text("prefill_bound"), seconds("decode_seconds"),
                          seconds("decode_predicted_seconds"), signed_percent(p.decode),
                          row.text("decode_bound"), signed_percent(p.request), seconds("spread"),
                          row.text("samples")});
  }
  return to_html(table);
}

}  // namespace photon::analysis
