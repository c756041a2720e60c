// SPDX-License-Identifier: Apache-2.0
// Gaps between the bursts of requests, all together and in batches of equal length in time, whose differences
// tell how sure the quantiles of all are.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "analysis/simulation/batches.h"
#include "analysis/simulation/histogram.h"

namespace photon::analysis::simulation {

class GapRecord {
 public:
  /// Counts gaps that end after `from`; those after `to` with the last batch.
  GapRecord(double from, double to) : from_(from), to_(to) {}

  /// `count` gaps that end now.
  void add(double now, double gap, int64_t count) {
    if (!(now > from_) || count <= 0) return;
    all_.add(gap, count);
    const double share = to_ > from_ ? (now - from_) / (to_ - from_) : 1.0;
    const auto batch = static_cast<size_t>(std::min(share, 1.0) * batch_count);
    batches_[std::min<size_t>(batch, batch_count - 1)].add(gap, count);
  }

  const LogHistogram& all() const { return all_; }
  std::span<const LogHistogram> batches() const { return batches_; }

 private:
  double from_;
  double to_;
  LogHistogram all_;
  std::array<LogHistogram, batch_count> batches_;
};

}  // namespace photon::analysis::simulation
