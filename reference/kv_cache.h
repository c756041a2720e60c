// SPDX-License-Identifier: Apache-2.0
// The growing KV cache of one encoder (vanilla: of the stack), which counts what it moves. Samples of one
// prompt share the rows their prefill wrote; under a window the own rows form a ring.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/model/generation.h"
#include "reference/attention.h"

namespace photon::reference {

template <class S>
class KvCache {
 public:
  struct Layout {
    StackShape shape;
    int64_t layers = 0;
    Visibility visibility;
    std::vector<int64_t> prompt_units;  ///< a prompt: units its prefill runs through
    int64_t samples = 1;                ///< rows of each prompt
    int64_t new_units = 0;              ///< most units a row appends
    bool keeps_prefill = true;          ///< false where recgen drops what the prompt left
  };

  KvCache() = default;
  explicit KvCache(Layout layout);

  /// Segments a row's cached keys can fall into: shared, and the ring before and after its end.
  static constexpr Index segments = 3;

  /// Rows of the prompt that stay once its prefill is done: (first, units).
  int64_t prefill_first(int64_t prompt) const;
  /// Stores units [prefill_first, prompt units) of one prompt and layer; k and v point at unit 0.
  void store_prefill(int64_t layer, int64_t prompt, const S* k, const S* v, Index stride);
  /// After all layers: the units of every row are those of its prompt.
  void finish_prefill();

  int64_t units(int64_t row) const { return units_[row]; }

  /// The cached keys that the next units of `rows` see: `segments` entries a row, appended to `out` with room
  /// for `extra` more after each. Counts them, the shared ones once a prompt.
  void read(int64_t layer, std::span<const int64_t> rows, Index extra, std::vector<KeySegment<S>>& out);
  int64_t first_visible(int64_t row) const { return layout_.visibility.first(units(row)); }

  /// Writes `count` units behind a row's last one in one layer; advance() makes them count.
  void append(int64_t layer, int64_t row, const S* k, const S* v, Index stride, int64_t count);
  void advance(std::span<const int64_t> rows, int64_t count);

  CacheRows moved() const { return moved_; }
  int64_t bytes_planned() const { return static_cast<int64_t>(memory_.size() * sizeof(S)); }
  int64_t bytes_held() const;

 private:
  int64_t prompt_of(int64_t row) const { return row / layout_.samples; }
  bool shared() const { return layout_.samples > 1; }
  int64_t prompt_units(int64_t prompt) const { return layout_.prompt_units[prompt]; }
  int64_t first_own(int64_t row) const { return shared() ? prompt_units(prompt_of(row)) : 0; }
  int64_t slot(int64_t row, int64_t unit) const;
  S* shared_row(int64_t layer, int64_t prompt, int64_t unit);
  S* own_row(int64_t layer, int64_t row, int64_t slot);

  Layout layout_;
  int64_t rows_ = 0;
  int64_t shared_capacity_ = 0;  // units of each prompt
  int64_t own_capacity_ = 0;     // units of each row
  Index width_ = 0;              // kv_width; a unit holds its key, then its value
  AlignedVector<S> memory_;      // (layers, prompts · shared + rows · own, 2, kv_width)
  std::vector<int64_t> units_;
  CacheRows moved_;
};

}  // namespace photon::reference
