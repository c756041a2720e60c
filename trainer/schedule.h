// SPDX-License-Identifier: Apache-2.0
// The learning rate over a run: linear warm-up, then one of the shapes that language models are trained with:
// a cosine down to a tenth (PHOTON, training setup; LLaMA), a straight line (Bergsma et al. 2025, down to
// zero), or a rate that stays.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace photon::trainer {

enum class RateShape { cosine, linear, constant };

constexpr std::string_view to_string(RateShape shape) {
  return shape == RateShape::cosine ? "cosine" : shape == RateShape::linear ? "linear" : "constant";
}

struct RateSchedule {
  double peak = 0.0;
  int64_t warmup = 0;  ///< steps of the linear rise; the peak is the rate of step `warmup`
  int64_t steps = 0;   ///< of the run; the rate of the last one is final_fraction · peak
  RateShape shape = RateShape::cosine;
  double final_fraction = 0.1;  ///< of no effect on a rate that stays

  /// `step` counts from 1.
  double rate(int64_t step) const {
    if (step < warmup) return peak * static_cast<double>(step) / static_cast<double>(warmup);
    if (steps <= warmup || shape == RateShape::constant) return peak;
    const double done =
        std::fmin(static_cast<double>(step - warmup) / static_cast<double>(steps - warmup), 1.0);
    const double left =
        shape == RateShape::linear ? 1.0 - done : 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    return peak * (final_fraction + (1.0 - final_fraction) * left);
  }
};

}  // namespace photon::trainer
