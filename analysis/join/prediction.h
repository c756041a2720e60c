// SPDX-License-Identifier: Apache-2.0
// Predicted times beside measured ones: how far the traffic model is off, for each regime and over all rows
// of one machine, and whether that keeps within this project's limits (docs/numbers.md, "Predicted times").
// Every row counts, repeated measurements of one case too; none had a part in its own prediction.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/results/results.h"

namespace photon::analysis {

/// What the traffic model is held to, on the time of whole requests.
struct PredictionLimits {
  int64_t rows = 24;
  int64_t rows_of_regime = 8;
  double median = 0.15;  ///< of |error|
  double p90 = 0.30;
};
inline constexpr PredictionLimits prediction_limits = {};

struct PhaseTimes {
  double measured = 0.0;  ///< seconds
  double predicted = 0.0;

  /// predicted / measured - 1; below 0 the prediction is too short. Empty where nothing was measured or
  /// nothing predicted.
  std::optional<double> error() const;
};

struct PredictedRow {
  size_t row = 0;      ///< index
  std::string regime;  ///< "PF" and "DE", scaled or not; else "256 in, 64 out"
  PhaseTimes prefill, decode;

  PhaseTimes request() const;
};

/// Of |error|; percentiles are linear between order statistics.
struct ErrorSpread {
  int64_t rows = 0;
  double median = 0.0;
  double p90 = 0.0;
};

struct PredictionErrors {
  std::string name;  ///< of the regime; "" all
  ErrorSpread prefill, decode, request;
  double bias = 0.0;  ///< median of the request's error with its sign
};

/// The rows of one machine.
struct Validation {
  std::string machine;                    ///< back end, device, element type
  std::vector<PredictedRow> rows;         ///< the request with the largest |error| first
  std::vector<PredictionErrors> regimes;  ///< PF, DE, others
  PredictionErrors all;
  int64_t left_out = 0;  ///< rows of this machine without a prediction

  /// What keeps it from the limits, "12 rows, 24 are needed"; none: within.
  std::vector<std::string> shortfalls() const;
};

/// Of rows of kind bench; a machine without a predicted row has none.
std::vector<Validation> validations(std::span<const ResultRow> rows);

std::string rows_text(int64_t rows);  ///< "1 row", "24 rows"

/// A line a machine: "predicted: 32 rows, request time off by 10 % (median), 14 % (90th percentile); PF ...".
/// Empty without predicted rows.
std::vector<std::string> prediction_summary(std::span<const ResultRow> rows);

}  // namespace photon::analysis
