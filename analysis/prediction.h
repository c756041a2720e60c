// Predicted times beside measured ones: how far off the traffic model was on rows that it had no part in
// (docs/numbers.md, "Predicted times").
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/figures.h"
#include "core/results.h"

namespace photon::analysis {

/// One row and its errors, predicted / measured - 1. A phase that the row does not have is empty.
struct PredictedRow {
  size_t row = 0;  ///< of those given
  std::optional<double> prefill;
  std::optional<double> decode;
  double request = 0.0;  ///< of prefill and decode together
};

/// Rows of kind bench that were predicted and took time, in order.
std::vector<PredictedRow> predicted_rows(std::span<const ResultRow> rows);

/// Of |error| over some rows.
struct PredictionErrors {
  std::string name;  ///< "PF", "DE" (scaled or not), "other", "all"
  size_t rows = 0;
  double median = 0.0;
  double p90 = 0.0;
};

/// Of the request's time: by regime, then over all. Empty without rows.
std::vector<PredictionErrors> prediction_errors(std::span<const ResultRow> rows);

/// What the project holds predictions to: at least 24 rows, 8 of each of PF and DE, median 15 %, 90th
/// percentile 30 %.
struct PredictionLimits {
  static constexpr size_t rows = 24;
  static constexpr size_t rows_a_regime = 8;
  static constexpr double median = 0.15;
  static constexpr double p90 = 0.30;
};
bool within_limits(std::span<const PredictionErrors> errors);

/// "32 rows off by 10 % (median), 14 % (90th percentile); PF 16 rows, ...: within 15 % and 30 %"; empty
/// without rows.
std::string prediction_summary(std::span<const ResultRow> rows);

/// Predicted against measured, by phase; empty without rows.
std::vector<CaptionedFigure> prediction_figures(std::span<const ResultRow> rows);

/// Every predicted row, the largest error first. HTML; empty without rows.
std::string prediction_table(std::span<const ResultRow> rows);

}  // namespace photon::analysis
