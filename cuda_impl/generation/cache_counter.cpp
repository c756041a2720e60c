// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/generation/cache_counter.h"

#include <utility>

namespace photon::PHOTON_GPU {

void CacheCounter::set_up(std::vector<std::vector<int64_t>> prompt_units, std::vector<int64_t> layers) {
  prompt_units_ = std::move(prompt_units);
  layers_ = std::move(layers);
  moved_.assign(layers_.size(), {});
  prefill_.clear();
}

void CacheCounter::prefilled(int level, int64_t rows) {
  const auto at = static_cast<size_t>(level);
  moved_[at].written += layers_[at] * rows;
}

CacheTraffic CacheCounter::step(const EncoderStep& step, const RowClock& clock) {
  steps_.push_back(step);
  return clock.traffic(step, prompt_units(step.level));
}

void CacheCounter::repeat(const std::string& name, const RowClock& clock) {
  for (const EncoderStep& step : kept_[name]) {
    const CacheTraffic traffic = clock.traffic(step, prompt_units(step.level));
    const auto at = static_cast<size_t>(step.level);
    moved_[at].read += layers_[at] * static_cast<int64_t>(traffic.rows_read);
    moved_[at].written += layers_[at] * static_cast<int64_t>(traffic.rows_written);
  }
}

std::vector<CacheRows> CacheCounter::of_decode() const {
  std::vector<CacheRows> out;
  for (size_t l = 0; l < moved_.size(); ++l)
    out.push_back({moved_[l].read - prefill_[l].read, moved_[l].written - prefill_[l].written});
  return out;
}

}  // namespace photon::PHOTON_GPU
