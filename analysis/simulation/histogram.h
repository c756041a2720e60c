// SPDX-License-Identifier: Apache-2.0
// Quantiles of very many durations in little memory: bins on a logarithmic scale, 64 to a factor of two, so
// that a quantile is off by 0.55 % at most.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace photon::analysis::simulation {

class LogHistogram {
 public:
  static constexpr double relative_error = 0.0055;

  /// `count` times the same duration; what is below a nanosecond counts as one.
  void add(double seconds, int64_t count) {
    if (count <= 0) return;
    const double position = std::log2(std::max(seconds, least) / least) * per_octave;
    const auto bin = std::min(static_cast<size_t>(position), last_bin);
    if (bins_.size() <= bin) bins_.resize(bin + 1, 0);
    bins_[bin] += count;
    total_ += count;
  }

  int64_t total() const { return total_; }

  /// The duration that `q` (0 to 1) of all are not above; 0 if there is none.
  double quantile(double q) const {
    const auto rank = static_cast<int64_t>(std::ceil(q * static_cast<double>(total_)));
    int64_t seen = 0;
    for (size_t bin = 0; bin < bins_.size(); ++bin) {
      seen += bins_[bin];
      if (seen >= std::max<int64_t>(rank, 1))
        return least * std::exp2((static_cast<double>(bin) + 0.5) / per_octave);
    }
    return 0.0;
  }

 private:
  static constexpr double least = 1e-9;
  static constexpr double per_octave = 64.0;
  static constexpr size_t last_bin = 80 * 64;

  std::vector<int64_t> bins_;
  int64_t total_ = 0;
};

}  // namespace photon::analysis::simulation
