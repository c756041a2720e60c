// The learning rate over a run: linear warm-up, then a cosine down to a tenth (PHOTON, training setup).
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace photon {

struct RateSchedule {
  double peak = 0.0;
  int64_t warmup = 0;  ///< steps of the linear rise; the peak is the rate of step `warmup`
  int64_t steps = 0;   ///< of the run; the rate of the last one is final_fraction · peak

  static constexpr double final_fraction = 0.1;

  /// `step` counts from 1.
  double rate(int64_t step) const {
    if (step < warmup) return peak * static_cast<double>(step) / static_cast<double>(warmup);
    if (steps <= warmup) return peak;
    const double done = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
    const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * std::fmin(done, 1.0)));
    return peak * (final_fraction + (1.0 - final_fraction) * cosine);
  }
};

}  // namespace photon
