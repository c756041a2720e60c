// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/generation/row_clock.h"

#include <algorithm>

namespace photon::PHOTON_GPU {

RowClock::RowClock(std::vector<int64_t> start, std::vector<int64_t> target, int64_t samples)
    : start_(std::move(start)), target_(std::move(target)), samples_(samples) {}

bool RowClock::all_idle() const {
  return std::all_of(start_.begin(), start_.end(), [](int64_t s) { return s < 0; });
}

void RowClock::advance(int64_t tokens) {
  for (size_t r = 0; r < start_.size(); ++r) {
    if (start_[r] < 0) continue;
    start_[r] += tokens;
    if (start_[r] >= target_[r]) start_[r] = -1;
  }
}

CacheTraffic RowClock::traffic(const EncoderStep& step, const std::vector<int64_t>& prompt_units) const {
  CacheTraffic sum;
  int64_t counted_prompt = -1;
  int64_t counted_shared = 0;
  for (size_t r = 0; r < start_.size(); ++r) {
    if (start_[r] < 0) continue;
    const auto prompt = static_cast<int64_t>(r) / samples_;
    const auto unit = static_cast<int32_t>(start_[r] / step.tokens_per_unit) + step.offset;
    const int64_t first_own = samples_ > 1 ? prompt_units[prompt] : 0;
    for (int32_t i = 0; i < step.units; ++i) {
      const int64_t first = step.visible.first(unit + i);
      sum.pairs += static_cast<double>(unit + i - first + 1);
      sum.shared_pairs += static_cast<double>(std::max<int64_t>(0, first_own - first));
    }
    const int64_t first = step.visible.first(unit);
    const int64_t shared = std::max<int64_t>(0, std::min<int64_t>(unit, first_own) - first);
    sum.rows_read += static_cast<double>(std::max<int64_t>(0, unit - std::max(first, first_own)));
    sum.rows_written += step.units;
    // The samples of a prompt stand next to each other and read what they share once.
    if (prompt != counted_prompt) counted_shared = 0;
    counted_prompt = prompt;
    if (shared > counted_shared) {
      sum.rows_read += static_cast<double>(shared - counted_shared);
      sum.shared_rows_read += static_cast<double>(shared - counted_shared);
      counted_shared = shared;
    }
  }
  return sum;
}

}  // namespace photon::PHOTON_GPU
