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
  first_key_.assign(static_cast<size_t>(chunks), 0);
}

template <class S>
int64_t WindowRunner<S>::bytes() const {
  int64_t elements = 0;
  for (const auto& c : cache_) elements += c.size();
  return elements * static_cast<int64_t>(sizeof(S));
}

template <class S>
const Matrix<S>& WindowRunner<S>::forward(double eps, Rope<S>& rope,
                                          const Eigen::Ref<const Matrix<S>>& input) {
  const StackShape& shape = weights_->shape;
  const Index n = input.rows() / chunks_;
  const Index kv = shape.kv_width();
  positions_.resize(static_cast<size_t>(input.rows()));
  for (Index r = 0; r < input.rows(); ++r) positions_[static_cast<size_t>(r)] = length_ + r % n;
  const auto attend = [&](size_t layer, LayerTape<S>& t) {
    Matrix<S>& cache = cache_[layer];
    segments_.clear();
    for (Index g = 0; g < chunks_; ++g) {
      cache.middleRows(g * window_ + length_, n) = t.qkv.middleRows(g * n, n).rightCols(2 * kv);
      const S* k = cache.data() + g * window_ * cache.cols();
      segments_.push_back({k, k + kv, cache.cols(), length_ + n});
    }
    attend_to(shape, {}, segments_, first_key_, t);
  };
  const Matrix<S>& out = runner_.run(*weights_, eps, rope, positions_, input, attend);
  length_ += n;
  return out;
}

template <class S>
const Matrix<S>& CachedRunner<S>::prefill(const StackWeights<S>& w, double eps, Rope<S>& rope,
                                          Visibility visibility, const Eigen::Ref<const Matrix<S>>& input,
                                          std::span<const int64_t> prompts, KvCache<S>& cache) {
  const auto sequences = static_cast<Index>(prompts.size());
  const Index n = input.rows() / sequences;
  const Index kv = w.shape.kv_width();
  positions_.resize(static_cast<size_t>(input.rows()));
  for (Index r = 0; r < input.rows(); ++r) positions_[static_cast<size_t>(r)] = r % n;
  first_key_.assign(static_cast<size_t>(sequences), 0);
  const auto attend = [&](size_t layer, LayerTape<S>& t) {
    segments_.clear();
    for (Index i = 0; i < sequences; ++i) {
      const S* k = t.qkv.data() + i * n * t.qkv.cols() + w.shape.width;
      segments_.push_back({k, k + kv, t.qkv.cols(), n});
      cache.store_prefill(static_cast<int64_t>(layer), prompts[static_cast<size_t>(i)], k, k + kv,
                          t.qkv.cols());
    }
    attend_to(w.shape, visibility, segments_, first_key_, t);
  };
  return runner_.run(w, eps, rope, positions_, input, attend);
}

template <class S>
const Matrix<S>& CachedRunner<S>::step(const StackWeights<S>& w, double eps, Rope<S>& rope,
                                       Visibility visibility, const Eigen::Ref<const Matrix<S>>& input,
                                       std::span<const int64_t> rows, KvCache<S>& cache) {
  const auto sequences = static_cast<Index>(rows.size());
  const Index n = input.rows() / sequences;
  const Index kv = w.shape.kv_width();
  positions_.clear();
  first_key_.clear();
  for (const int64_t row : rows) {
    first_key_.push_back(cache.first_visible(row));
    for (Index j = 0; j < n; ++j) positions_.push_back(cache.units(row) + j);
  }
  const auto attend = [&](size_t layer, LayerTape<S>& t) {
    const auto at = static_cast<int64_t>(layer);
    segments_.clear();
    cache.read(at, rows, 1, segments_);
    constexpr Index per_sequence = KvCache<S>::segments + 1;
    for (Index i = 0; i < sequences; ++i) {
      const S* k = t.qkv.data() + i * n * t.qkv.cols() + w.shape.width;
      segments_[static_cast<size_t>((i + 1) * per_sequence - 1)] = {k, k + kv, t.qkv.cols(), n};
    }
    attend_to(w.shape, visibility, segments_, first_key_, t);
    // Only now: under a window the new rows take the places of rows that were just read.
    for (Index i = 0; i < sequences; ++i) {
      const S* k = t.qkv.data() + i * n * t.qkv.cols() + w.shape.width;
      cache.append(at, rows[static_cast<size_t>(i)], k, k + kv, t.qkv.cols(), n);
    }
  };
  const Matrix<S>& out = runner_.run(w, eps, rope, positions_, input, attend);
  cache.advance(rows, n);
  return out;
}

template class WindowRunner<float>;
template class WindowRunner<double>;
template class CachedRunner<float>;
template class CachedRunner<double>;

}  // namespace photon::reference
