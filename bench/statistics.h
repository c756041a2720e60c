// SPDX-License-Identifier: Apache-2.0
// Order statistics of repeated timings, and when there are enough of them.
#pragma once

#include <span>

#include "core/base/quantile.h"

namespace photon::bench {

/// As quantile (core/base/quantile.h), which it throws like.
double median(std::span<const double> values);

/// (max - min) / median.
double relative_spread(std::span<const double> values);

/// How well the median is known: interquartile range / (median · sqrt(n)), near its relative standard error.
/// Unlike the spread it falls as samples are added, and one disturbed sample does not move it. Infinite below
/// 3 values.
double relative_error(std::span<const double> values);

}  // namespace photon::bench
