// SPDX-License-Identifier: Apache-2.0
// Notices a training loss that jumps out of its recent range: a z-score against exponential averages of mean
// and variance. It only warns; the run stays what it is.
#pragma once

#include <cmath>
#include <cstdint>

namespace photon::trainer {

struct LossSpike {
  // All three are state of the run and stored with its checkpoints.
  int64_t count = 0;
  double mean = 0.0;
  double variance = 0.0;

  static constexpr double memory = 50.0;    ///< steps
  static constexpr int64_t settled = 20;    ///< steps before the first verdict
  static constexpr double threshold = 6.0;  ///< standard deviations
  static constexpr double smallest = 1e-3;  ///< a jump below this share of the mean is none

  /// The z-score of `loss` if it is a spike, else 0; then takes it into the averages.
  double observe(double loss) {
    const double distance = loss - mean;
    const double spread = std::fmax(std::sqrt(variance), smallest * std::fabs(mean));
    const double z =
        count >= settled && spread > 0.0 && distance > threshold * spread ? distance / spread : 0.0;
    ++count;
    const double weight = std::fmax(1.0 / static_cast<double>(count), 1.0 / memory);
    mean += weight * distance;
    variance = (1.0 - weight) * (variance + weight * distance * distance);
    return z;
  }
};

}  // namespace photon::trainer
