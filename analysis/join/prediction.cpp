// SPDX-License-Identifier: Apache-2.0
#include "analysis/join/prediction.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "analysis/join/measurements.h"
#include "core/base/quantile.h"

namespace photon::analysis {
namespace {

ErrorSpread spread_of(const std::vector<const PredictedRow*>& rows,
                      PhaseTimes (*times)(const PredictedRow&)) {
  std::vector<double> sizes;
  for (const PredictedRow* row : rows) {
    if (const auto error = times(*row).error()) sizes.push_back(std::abs(*error));
  }
  if (sizes.empty()) return {};
  return {std::ssize(sizes), quantile(sizes, 0.5), quantile(sizes, 0.9)};
}

PredictionErrors errors_of(const std::string& name, const std::vector<const PredictedRow*>& rows) {
  std::vector<double> signed_errors;
  for (const PredictedRow* row : rows) signed_errors.push_back(*row->request().error());
  return {.name = name,
          .prefill = spread_of(rows, [](const PredictedRow& r) { return r.prefill; }),
          .decode = spread_of(rows, [](const PredictedRow& r) { return r.decode; }),
          .request = spread_of(rows, [](const PredictedRow& r) { return r.request(); }),
          .bias = quantile(signed_errors, 0.5)};
}

std::optional<PhaseTimes> times_of(const ResultRow& row, const std::string& phase) {
  const auto measured = row.number(phase + "_seconds");
  auto predicted = row.number(phase + "_predicted_seconds");
  // A prefill that computes nothing, of a prompt shorter than a chunk, is not predicted and takes next to
  // none.
  if (!predicted && phase == "prefill" && row.number("prefill_flops").value_or(0.0) == 0.0) predicted = 0.0;
  if (!predicted || (!measured && *predicted > 0.0)) return std::nullopt;
  const PhaseTimes times{measured.value_or(0.0), *predicted};
  const auto is_time = [](double s) { return std::isfinite(s) && s >= 0.0; };
  return is_time(times.measured) && is_time(times.predicted) ? std::optional(times) : std::nullopt;
}

std::string regime_of(const ResultRow& row) {
  const std::string& regime = row.text("regime");
  const std::string name = regime.substr(0, regime.find('/'));
  if (name == "pf") return "PF";
  if (name == "de") return "DE";
  return fmt::format("{} in, {} out", row.text("prompt"), row.text("new_tokens"));
}

std::optional<PredictedRow> predicted_row(const ResultRow& row, size_t index) {
  const auto prefill = times_of(row, "prefill");
  const auto decode = times_of(row, "decode");
  if (!prefill || !decode) return std::nullopt;
  PredictedRow out{index, regime_of(row), *prefill, *decode};
  return out.request().error() ? std::optional(out) : std::nullopt;
}

int rank(const std::string& regime) {
  return regime == "PF" ? 0 : regime == "DE" ? 1 : 2;
}

/// Errors of each regime and of all, from the rows.
void sum_up(Validation& v) {
  std::stable_sort(v.rows.begin(), v.rows.end(), [](const PredictedRow& a, const PredictedRow& b) {
    return std::abs(*a.request().error()) > std::abs(*b.request().error());
  });
  std::vector<const PredictedRow*> all;
  std::vector<std::pair<std::string, std::vector<const PredictedRow*>>> regimes;
  for (const PredictedRow& row : v.rows) {
    all.push_back(&row);
    auto at =
        std::find_if(regimes.begin(), regimes.end(), [&](const auto& r) { return r.first == row.regime; });
    if (at == regimes.end()) at = regimes.insert(at, {row.regime, {}});
    at->second.push_back(&row);
  }
  std::sort(regimes.begin(), regimes.end(), [](const auto& a, const auto& b) {
    return std::pair(rank(a.first), a.first) < std::pair(rank(b.first), b.first);
  });
  for (const auto& [name, rows] : regimes) v.regimes.push_back(errors_of(name, rows));
  v.all = errors_of("", all);
}

}  // namespace

std::optional<double> PhaseTimes::error() const {
  return measured > 0.0 && predicted > 0.0 ? std::optional(predicted / measured - 1.0) : std::nullopt;
}

PhaseTimes PredictedRow::request() const {
  return {prefill.measured + decode.measured, prefill.predicted + decode.predicted};
}

std::vector<std::string> Validation::shortfalls() const {
  const PredictionLimits& limits = prediction_limits;
  std::vector<std::string> out;
  if (all.request.rows < limits.rows)
    out.push_back(fmt::format("{}, {} are needed", rows_text(all.request.rows), limits.rows));
  std::vector<std::pair<std::string, int64_t>> counts{{"PF", 0}, {"DE", 0}};
  for (const PredictionErrors& regime : regimes) {
    const auto at =
        std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == regime.name; });
    (at == counts.end() ? counts.emplace_back(regime.name, 0) : *at).second = regime.request.rows;
  }
  for (const auto& [name, rows_of_regime] : counts) {
    if (rows_of_regime >= limits.rows_of_regime) continue;
    out.push_back(
        fmt::format("{}: {}, {} are needed", name, rows_text(rows_of_regime), limits.rows_of_regime));
  }
  const auto over = [&](const char* name, double value, double limit) {
    // Written so that no NaN passes.
    if (!(value <= limit)) {
      out.push_back(fmt::format("{} {:.1f} %, the limit is {:.0f} %", name, 100.0 * value, 100.0 * limit));
    }
  };
  over("median", all.request.median, limits.median);
  over("90th percentile", all.request.p90, limits.p90);
  return out;
}

std::string rows_text(int64_t rows) {
  return fmt::format("{} {}", rows, rows == 1 ? "row" : "rows");
}

std::vector<Validation> validations(std::span<const ResultRow> rows) {
  std::vector<Validation> all;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].text("kind") != "bench") continue;
    const std::string machine = machine_of(rows[i]);
    auto at = std::find_if(all.begin(), all.end(), [&](const auto& v) { return v.machine == machine; });
    if (at == all.end()) {
      at = all.insert(at, Validation{});
      at->machine = machine;
    }
    if (auto row = predicted_row(rows[i], i)) {
      at->rows.push_back(std::move(*row));
    } else {
      ++at->left_out;
    }
  }
  std::erase_if(all, [](const Validation& v) { return v.rows.empty(); });
  for (Validation& v : all) sum_up(v);
  return all;
}

std::vector<std::string> prediction_summary(std::span<const ResultRow> rows) {
  std::vector<std::string> lines;
  const auto all = validations(rows);
  for (const Validation& v : all) {
    std::string line =
        fmt::format("predicted{}: {}, request time off by {:.0f} % (median), {:.0f} % (90th percentile)",
                    all.size() > 1 ? ", " + v.machine : "", rows_text(v.all.request.rows),
                    100.0 * v.all.request.median, 100.0 * v.all.request.p90);
    for (const PredictionErrors& regime : v.regimes) {
      line += fmt::format("; {} {:.0f} % and {:.0f} % of {}", regime.name, 100.0 * regime.request.median,
                          100.0 * regime.request.p90, rows_text(regime.request.rows));
    }
    const auto shortfalls = v.shortfalls();
    line += shortfalls.empty() ? "; within the limits"
                               : fmt::format("; not within the limits: {}", fmt::join(shortfalls, "; "));
    if (v.left_out > 0) line += fmt::format(" ({} without a prediction)", rows_text(v.left_out));
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace photon::analysis
