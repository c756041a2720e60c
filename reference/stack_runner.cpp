// SPDX-License-Identifier: Apache-2.0
#include "reference/stack_runner.h"

#include <algorithm>

namespace photon::reference {
namespace {

/// One layer's rows attend to `segments`, as many for each of the sequences.
template <class S>
void attend_to(const StackShape& shape, Visibility visibility, const std::vector<KeySegment<S>>& segments,
               std::span<const int64_t> first_key, LayerTape<S>& t) {
  const Index sequences = std::ssize(first_key);
  const AttentionInput<S> in{.shape = shape,
                             .visibility = visibility,
                             .sequences = sequences,
                             .queries = t.qkv.rows() / sequences,
                             .q = t.qkv.data(),
                             .q_stride = t.qkv.cols(),
                             .segments_per_sequence = std::ssize(segments) / sequences,
                             .segments = segments,
                             .first_key = first_key};
  attention(in, t.attended.data(), t.attended.cols());
}

}  // namespace

template <class S>
void WindowRunner<S>::begin(const StackWeights<S>& weights, Index chunks, Index window) {
  weights_ = &weights;
  chunks_ = chunks;
  window_ = window;
  length_ = 0;
  cache_.resize(weights.layers.size());
  for (auto& c : cache_) c.resize(chunks * window, 2 * weights.shape.kv_width());
  first_key_.assign(chunks, 0);
}

template <class S>
int64_t WindowRunner<S>::bytes() const {
  int64_t elements = 0;
  for (const auto& c : cache_) elements += c.size();
  return elements * static_cast<int64_t>(sizeof(S));
}

template <class S>
void WindowRunner<S>::attend(size_t layer, Index length, LayerTape<S>& t) {
  const Index n = t.qkv.rows() / chunks_;
  const Index kv = weights_->shape.kv_width();
  Matrix<S>& cache = cache_[layer];
  segments_.clear();
  for (Index g = 0; g < chunks_; ++g) {
    cache.middleRows(g * window_ + length, n) = t.qkv.middleRows(g * n, n).rightCols(2 * kv);
    const S* k = cache.data() + g * window_ * cache.cols();
    segments_.push_back({k, k + kv, cache.cols(), length + n});
  }
  attend_to(weights_->shape, {}, segments_, first_key_, t);
}

template <class S>
const Matrix<S>& WindowRunner<S>::forward(double eps, Rope<S>& rope,
                                          const Eigen::Ref<const Matrix<S>>& input) {
  const Index n = input.rows() / chunks_;
  positions_.resize(input.rows());
  for (Index r = 0; r < input.rows(); ++r) positions_[r] = length_ + r % n;
  const Matrix<S>& out = runner_.run(*weights_, eps, rope, positions_, input,
                                     [&](size_t layer, LayerTape<S>& t) { attend(layer, length_, t); });
  length_ += n;
  return out;
}

template <class S>
void CachedRunner<S>::begin_prefill(Index sequences, Index n) {
  positions_.resize(sequences * n);
  for (size_t r = 0; r < positions_.size(); ++r) positions_[r] = static_cast<int64_t>(r) % n;
  first_key_.assign(sequences, 0);
}

template <class S>
void CachedRunner<S>::attend_prefill(const StackShape& shape, Visibility visibility, int64_t layer,
                                     std::span<const int64_t> prompts, KvCache<S>& cache, LayerTape<S>& t) {
  const auto sequences = static_cast<Index>(prompts.size());
  const Index n = t.qkv.rows() / sequences;
  const Index kv = shape.kv_width();
  segments_.clear();
  for (Index i = 0; i < sequences; ++i) {
    const S* k = t.qkv.data() + i * n * t.qkv.cols() + shape.width;
    segments_.push_back({k, k + kv, t.qkv.cols(), n});
    cache.store_prefill(layer, prompts[i], k, k + kv, t.qkv.cols());
  }
  attend_to(shape, visibility, segments_, first_key_, t);
}

template <class S>
const Matrix<S>& CachedRunner<S>::prefill(const StackWeights<S>& w, double eps, Rope<S>& rope,
                                          Visibility visibility, const Eigen::Ref<const Matrix<S>>& input,
                                          std::span<const int64_t> prompts, KvCache<S>& cache) {
  const auto sequences = static_cast<Index>(prompts.size());
  begin_prefill(sequences, input.rows() / sequences);
  return runner_.run(w, eps, rope, positions_, input, [&](size_t layer, LayerTape<S>& t) {
    attend_prefill(w.shape, visibility, static_cast<int64_t>(layer), prompts, cache, t);
  });
}

template <class S>
void CachedRunner<S>::begin_step(std::span<const int64_t> rows, Index n, const KvCache<S>& cache) {
  positions_.clear();
  first_key_.clear();
  for (const int64_t row : rows) {
    first_key_.push_back(cache.first_visible(row));
    for (Index j = 0; j < n; ++j) positions_.push_back(cache.units(row) + j);
  }
}

template <class S>
void CachedRunner<S>::attend_step(const StackShape& shape, Visibility visibility, int64_t layer,
                                  std::span<const int64_t> rows, KvCache<S>& cache, LayerTape<S>& t) {
  const auto sequences = static_cast<Index>(rows.size());
  const Index n = t.qkv.rows() / sequences;
  const Index kv = shape.kv_width();
  const auto new_keys = [&](Index i) { return t.qkv.data() + i * n * t.qkv.cols() + shape.width; };
  segments_.clear();
  cache.read(layer, rows, 1, segments_);
  constexpr Index per_sequence = KvCache<S>::segments + 1;
  for (Index i = 0; i < sequences; ++i) {
    const S* k = new_keys(i);
    segments_[(i + 1) * per_sequence - 1] = {k, k + kv, t.qkv.cols(), n};
  }
  attend_to(shape, visibility, segments_, first_key_, t);
  // Only now: under a window the new rows take the places of rows that were just read.
  for (Index i = 0; i < sequences; ++i) {
    const S* k = new_keys(i);
    cache.append(layer, rows[i], k, k + kv, t.qkv.cols(), n);
  }
}

template <class S>
const Matrix<S>& CachedRunner<S>::step(const StackWeights<S>& w, double eps, Rope<S>& rope,
                                       Visibility visibility, const Eigen::Ref<const Matrix<S>>& input,
                                       std::span<const int64_t> rows, KvCache<S>& cache) {
  const Index n = input.rows() / static_cast<Index>(rows.size());
  begin_step(rows, n, cache);
  const Matrix<S>& out = runner_.run(w, eps, rope, positions_, input, [&](size_t layer, LayerTape<S>& t) {
    attend_step(w.shape, visibility, static_cast<int64_t>(layer), rows, cache, t);
  });
  cache.advance(rows, n);
  return out;
}

template class WindowRunner<float>;
template class WindowRunner<double>;
template class CachedRunner<float>;
template class CachedRunner<double>;

}  // namespace photon::reference
