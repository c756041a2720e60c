// SPDX-License-Identifier: Apache-2.0
// How sure a ratio of two speeds is, from what result rows hold of the runs behind them: medians, numbers of
// samples and their spread (docs/numbers.md, "Comparing two files").
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace photon::bench {

/// What x must be for Student's t with `degrees` of freedom to lie in [-x, x] with probability `confidence`.
/// Degrees need not be whole. Throws std::logic_error unless degrees > 0 and 0 < confidence < 1.
double student_t(double confidence, double degrees);

/// Mean of (largest - smallest) of n independent standard normal values; n >= 2.
double expected_range(int64_t n);

/// Relative variance that a single row's median is taken to have: that of one sample, from `samples` of a
/// normal law whose largest and smallest differ by `spread`, as a share of the median. It is not divided by
/// their number, for samples of one process share the state of the machine: they are not independent. None
/// below two samples.
std::optional<double> variance_of_row(int64_t samples, double spread);

/// Runs of one case in one file: a row each.
struct Side {
  std::vector<double> logs;  ///< natural logarithm of each row's speed
  /// Of each row: variance_of_row, and samples; nothing where the row cannot tell.
  std::vector<std::optional<double>> variances;
  std::vector<int64_t> samples;
};

struct LogRatio {
  double value = 0.0;                ///< mean of b's logs - mean of a's
  std::optional<double> half_width;  ///< none where the rows say nothing about it
  bool between_runs = false;         ///< from rows that repeat a case, not from the samples within them
};

/// The ratio with the half width of its t-interval (Welch's degrees of freedom). A side with several rows
/// has the variance between them, at least that within them; a single row borrows the other side's. With one
/// row each only the variance within is known.
LogRatio log_ratio(const Side& a, const Side& b, double confidence);

}  // namespace photon::bench
