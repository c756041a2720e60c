// SPDX-License-Identifier: Apache-2.0
// The traffic model's errors in words and numbers: each regime beside the limits, then every row.
#include <fmt/format.h>

#include <cmath>

#include "analysis/draw/format.h"
#include "analysis/draw/html.h"
#include "analysis/join/measurements.h"
#include "analysis/join/prediction.h"
#include "analysis/page/page_template.h"
#include "analysis/report/tables.h"

namespace photon::analysis {
namespace {

std::string error_text(double error) {
  return fmt::format("{:+.1f} %", 100.0 * error);
}

std::string percent(double share) {
  return fmt::format("{:.0f}", 100.0 * share);
}

HtmlCell seconds_cell(double seconds) {
  return seconds > 0.0 ? HtmlCell(significant(seconds), fmt::to_string(seconds)) : "";
}

HtmlCell error_cell(const PhaseTimes& times) {
  const auto error = times.error();
  if (!error) return "";
  const bool far = std::abs(*error) > prediction_limits.p90;
  return {far ? "<strong>" + error_text(*error) + "</strong>" : error_text(*error), fmt::to_string(*error)};
}

Html verdict(const Validation& v) {
  const PredictionLimits& limits = prediction_limits;
  const PageTemplate& page = page_template();
  std::string shortfalls;
  for (const std::string& s : v.shortfalls()) shortfalls += (shortfalls.empty() ? "" : "; ") + s;
  return page.fill(
      "prediction-verdict",
      {{"machine", v.machine},
       {"rows", fmt::to_string(limits.rows)},
       {"rows-of-regime", fmt::to_string(limits.rows_of_regime)},
       {"median", percent(limits.median)},
       {"p90", percent(limits.p90)},
       {"verdict", shortfalls.empty() ? page.fill("prediction-kept")
                                      : page.fill("prediction-not-kept", {{"shortfalls", shortfalls}})},
       {"left-out",
        v.left_out > 0 ? page.fill("prediction-left-out", {{"rows", rows_text(v.left_out)}}) : Html{}}});
}

Html errors_table(const Validation& v) {
  HtmlTable table;
  table.caption = page_template().fill("prediction-errors");
  table.columns = {{"regime", "", true},  {"rows", ""},         {"prefill", "median"},
                   {"prefill", "90th"},   {"decode", "median"}, {"decode", "90th"},
                   {"request", "median"}, {"request", "90th"},  {"request", "median, signed"}};
  const auto tenths = [](double share) { return fmt::format("{:.1f} %", 100.0 * share); };
  const auto add = [&](const PredictionErrors& e, const std::string& name) {
    std::vector<HtmlCell> cells{html_escape(name), std::to_string(e.request.rows)};
    for (const ErrorSpread& s : {e.prefill, e.decode, e.request}) {
      cells.push_back(s.rows > 0 ? tenths(s.median) : "");
      cells.push_back(s.rows > 0 ? tenths(s.p90) : "");
    }
    cells.push_back(fmt::format("{:+.1f} %", 100.0 * e.bias));
    table.rows.push_back(std::move(cells));
  };
  for (const PredictionErrors& regime : v.regimes) add(regime, regime.name);
  add(v.all, "all");
  return to_html(table);
}

Html every_row(const ResultSet& results, const Validation& v) {
  HtmlTable table;
  table.caption = page_template().fill("prediction-rows", {{"p90", percent(prediction_limits.p90)}});
  table.columns = {{"row", "", true},
                   {"model", "", true},
                   {"method", "", true},
                   {"regime", "", true},
                   {"batch", ""},
                   {"prefill", "measured s"},
                   {"prefill", "predicted s"},
                   {"prefill", "error"},
                   {"bound", "prefill", true},
                   {"decode", "measured s"},
                   {"decode", "predicted s"},
                   {"decode", "error"},
                   {"bound", "decode", true},
                   {"request", "measured s"},
                   {"request", "predicted s"},
                   {"request", "error"},
                   {"samples", ""},
                   {"spread", ""}};
  for (const PredictedRow& p : v.rows) {
    const ResultRow& row = results.rows[p.row];
    std::vector<HtmlCell> cells{
        fmt::format("<a href=\"#row-{}\">{}</a>", p.row, html_escape(results.sources[p.row])),
        html_escape(row.text("model")),
        html_escape(method_name(row.text("architecture"), row.text("generation"), row.text("schedule"))),
        html_escape(row.text("regime") == "custom" ? p.regime : row.text("regime")), row.text("batch")};
    const auto add = [&](const PhaseTimes& times) {
      cells.push_back(seconds_cell(times.measured));
      cells.push_back(seconds_cell(times.predicted));
      cells.push_back(error_cell(times));
    };
    add(p.prefill);
    cells.push_back(html_escape(row.text("prefill_bound")));
    add(p.decode);
    cells.push_back(html_escape(row.text("decode_bound")));
    add(p.request());
    const auto spread = row.number("spread");
    cells.push_back(row.text("samples"));
    cells.push_back(spread ? HtmlCell(fmt::format("{:.0f} %", 100.0 * *spread), row.text("spread")) : "");
    table.rows.push_back(std::move(cells));
  }
  return to_html(table);
}

}  // namespace

Html prediction_tables(const ResultSet& results) {
  Html out;
  for (const Validation& v : validations(results.rows))
    out += verdict(v) + errors_table(v) + every_row(results, v);
  return out;
}

}  // namespace photon::analysis
