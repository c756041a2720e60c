// SPDX-License-Identifier: Apache-2.0
// The rows that growing caches move, counted on the host (core/model/generation.h): a graph that is replayed
// says nothing of them, so what its steps are is kept when it is recorded.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cuda_impl/generation/row_clock.h"

namespace photon::PHOTON_GPU {

class CacheCounter {
 public:
  /// prompt_units: by level, the units of each prompt that prefill runs through; layers: by level. Nothing is
  /// counted so far; repeated work of an equal session stays known.
  void set_up(std::vector<std::vector<int64_t>> prompt_units, std::vector<int64_t> layers);
  const std::vector<int64_t>& prompt_units(int level) const { return prompt_units_[level]; }

  /// Prefill leaves so many rows in each layer's cache.
  void prefilled(int level, int64_t rows);
  void end_prefill() { prefill_ = moved_; }

  /// A step of what `keep` will know by a name, where the rows now stand: what it moves in a layer.
  CacheTraffic step(const EncoderStep& step, const RowClock& clock);
  void begin_steps() { steps_.clear(); }
  void keep(const std::string& name) { kept_[name] = steps_; }
  void forget() { kept_.clear(); }
  /// The work of that name is done once more.
  void repeat(const std::string& name, const RowClock& clock);

  const std::vector<CacheRows>& of_prefill() const { return prefill_; }
  std::vector<CacheRows> of_decode() const;

 private:
  std::vector<std::vector<int64_t>> prompt_units_;
  std::vector<int64_t> layers_;
  std::vector<EncoderStep> steps_;
  std::map<std::string, std::vector<EncoderStep>> kept_;
  std::vector<CacheRows> moved_;
  std::vector<CacheRows> prefill_;
};

}  // namespace photon::PHOTON_GPU
