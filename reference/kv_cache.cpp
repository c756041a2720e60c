// SPDX-License-Identifier: Apache-2.0
#include "reference/kv_cache.h"

#include <algorithm>

namespace photon::reference {

template <class S>
KvCache<S>::KvCache(Layout layout) : layout_(std::move(layout)) {
  const auto prompts = static_cast<int64_t>(layout_.prompt_units.size());
  rows_ = prompts * layout_.samples;
  width_ = layout_.shape.kv_width();
  int64_t longest = 0;
  int64_t kept = 0;
  for (int64_t p = 0; p < prompts; ++p) {
    longest = std::max(longest, prompt_units(p));
    kept = std::max(kept, prompt_units(p) - prefill_first(p));
  }
  shared_capacity_ = shared() ? kept : 0;
  const int64_t own = shared() ? layout_.new_units : longest + layout_.new_units;
  // Of a block cache every slot is there, however short the text.
  const bool block = layout_.visibility.window.kind == EncoderWindow::Kind::block;
  own_capacity_ = block ? layout_.visibility.block : layout_.visibility.held(own);
  if (!layout_.keeps_prefill && layout_.new_units == 0) own_capacity_ = 0;
  memory_.resize(layout_.layers * (prompts * shared_capacity_ + rows_ * own_capacity_) * 2 * width_);
  units_.assign(rows_, 0);
}

template <class S>
int64_t KvCache<S>::prefill_first(int64_t prompt) const {
  const int64_t units = prompt_units(prompt);
  return layout_.keeps_prefill ? layout_.visibility.first_kept(units) : units;
}

template <class S>
int64_t KvCache<S>::slot(int64_t row, int64_t unit) const {
  if (layout_.visibility.window.kind == EncoderWindow::Kind::unbounded) return unit - first_own(row);
  return unit % own_capacity_;
}

template <class S>
S* KvCache<S>::shared_row(int64_t layer, int64_t prompt, int64_t unit) {
  const auto prompts = static_cast<int64_t>(layout_.prompt_units.size());
  const int64_t per_layer = prompts * shared_capacity_ + rows_ * own_capacity_;
  return memory_.data() +
         (layer * per_layer + prompt * shared_capacity_ + unit - prefill_first(prompt)) * 2 * width_;
}

template <class S>
S* KvCache<S>::own_row(int64_t layer, int64_t row, int64_t slot) {
  const auto prompts = static_cast<int64_t>(layout_.prompt_units.size());
  const int64_t per_layer = prompts * shared_capacity_ + rows_ * own_capacity_;
  return memory_.data() +
         (layer * per_layer + prompts * shared_capacity_ + row * own_capacity_ + slot) * 2 * width_;
}

template <class S>
void KvCache<S>::store_prefill(int64_t layer, int64_t prompt, const S* k, const S* v, Index stride) {
  for (int64_t unit = prefill_first(prompt); unit < prompt_units(prompt); ++unit) {
    S* target = shared() ? shared_row(layer, prompt, unit) : own_row(layer, prompt, slot(prompt, unit));
    std::copy_n(k + unit * stride, width_, target);
    std::copy_n(v + unit * stride, width_, target + width_);
    ++moved_.written;
  }
}

template <class S>
void KvCache<S>::finish_prefill() {
  for (int64_t row = 0; row < rows_; ++row) units_[row] = prompt_units(prompt_of(row));
}

template <class S>
void KvCache<S>::read(int64_t layer, std::span<const int64_t> rows, Index extra,
                      std::vector<KeySegment<S>>& out) {
  const Index stride = 2 * width_;
  const auto segment = [&](S* at, int64_t count) { out.push_back({at, at + width_, stride, count}); };
  int64_t counted_prompt = -1;
  int64_t counted_shared = 0;
  for (const int64_t row : rows) {
    const int64_t prompt = prompt_of(row);
    const int64_t end = units(row);
    const int64_t begin = first_visible(row);
    const int64_t own_begin = std::max(begin, first_own(row));
    const int64_t shared_count = std::max<int64_t>(0, std::min(end, first_own(row)) - begin);
    if (shared_count > 0) {
      segment(shared_row(layer, prompt, begin), shared_count);
    } else {
      segment(nullptr, 0);
    }
    const int64_t own_count = std::max<int64_t>(0, end - own_begin);
    const int64_t from = own_count > 0 ? slot(row, own_begin) : 0;
    const int64_t before_end = std::min(own_count, own_capacity_ - from);
    segment(own_row(layer, row, from), before_end);
    segment(own_row(layer, row, 0), own_count - before_end);
    for (Index i = 0; i < extra; ++i) segment(nullptr, 0);
    moved_.read += own_count;
    if (prompt != counted_prompt) counted_shared = 0;
    counted_prompt = prompt;
    if (shared_count > counted_shared) {
      moved_.read += shared_count - counted_shared;
      counted_shared = shared_count;
    }
  }
}

template <class S>
void KvCache<S>::append(int64_t layer, int64_t row, const S* k, const S* v, Index stride, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    S* target = own_row(layer, row, slot(row, units(row) + i));
    std::copy_n(k + i * stride, width_, target);
    std::copy_n(v + i * stride, width_, target + width_);
    ++moved_.written;
  }
}

template <class S>
void KvCache<S>::advance(std::span<const int64_t> rows, int64_t count) {
  for (const int64_t row : rows) units_[row] += count;
}

template <class S>
int64_t KvCache<S>::bytes_held() const {
  int64_t held = 0;
  for (int64_t row = 0; row < rows_; ++row) {
    const int64_t own = units(row) - first_own(row);
    held += std::min(own, own_capacity_);
    if (shared() && row % layout_.samples == 0)
      held += prompt_units(prompt_of(row)) - prefill_first(prompt_of(row));
  }
  return held * layout_.layers * 2 * width_ * static_cast<int64_t>(sizeof(S));
}

template class KvCache<float>;
template class KvCache<double>;

}  // namespace photon::reference
