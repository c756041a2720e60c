// SPDX-License-Identifier: Apache-2.0
// Quantiles of a few measurements, for benchmark and analysis.
#pragma once

#include <span>

namespace photon {

/// The p-quantile, 0 <= p <= 1, linear between order statistics. Throws std::logic_error on no values or a
/// NaN.
double quantile(std::span<const double> values, double p);

}  // namespace photon
