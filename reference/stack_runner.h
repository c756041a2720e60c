// SPDX-License-Identifier: Apache-2.0
// A stack run without keeping what a gradient would need: one layer's activations are the next one's scratch,
// so generation allocates nothing once the shapes have been seen. Where keys and values live is the caller's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "reference/attention.h"
#include "reference/kv_cache.h"
#include "reference/layer.h"

namespace photon::reference {

template <class S>
class StackRunner {
 public:
  /// input (n, D) to the output after the final norm (n, D). attend(i, tape) serves layer i.
  template <class Attend>
  const Matrix<S>& run(const StackWeights<S>& w, double eps, Rope<S>& rope,
                       std::span<const int64_t> positions, const Eigen::Ref<const Matrix<S>>& input,
                       Attend attend) {
    int64_t last = 0;
    for (const int64_t p : positions) last = std::max(last, p);
    rope.reserve(last + 1);
    tape_.input = input;
    for (size_t i = 0; i < w.layers.size(); ++i) {
      layer_forward(
          w.layers[i], w.shape, eps, rope, positions, tape_, [&](LayerTape<S>& t) { attend(i, t); }, next_);
      tape_.input.swap(next_);
    }
    rms_norm<S>(tape_.input, w.norm, eps, output_);
    return output_;
  }

 private:
  LayerTape<S> tape_;
  Matrix<S> next_;
  Matrix<S> output_;
};

/// Decoder l over the windows of many chunks at once. Its local cache holds R + C - 1 rows a chunk and is
/// forgotten with the chunk.
template <class S>
class WindowRunner {
 public:
  void begin(const StackWeights<S>& weights, Index chunks, Index window);
  /// Appends n rows to every window: input (chunks · n, D) to output (chunks · n, D).
  const Matrix<S>& forward(double eps, Rope<S>& rope, const Eigen::Ref<const Matrix<S>>& input);
  /// What forward() does between the products of one layer: t.qkv (chunks · n, ..), rotated, joins the
  /// windows behind their first `length` rows and attends to them, into t.attended.
  void attend(size_t layer, Index length, LayerTape<S>& t);
  int64_t bytes() const;

 private:
  const StackWeights<S>* weights_ = nullptr;
  Index chunks_ = 0;
  Index window_ = 0;
  Index length_ = 0;
  std::vector<Matrix<S>> cache_;  // a layer: (chunks · window, 2 kv_width)
  std::vector<int64_t> positions_;
  std::vector<int64_t> first_key_;
  std::vector<KeySegment<S>> segments_;
  StackRunner<S> runner_;
};

/// Encoder l behind its growing cache.
template <class S>
class CachedRunner {
 public:
  /// Units [0, n) of one prompt a sequence, nothing cached before them; leaves in `cache` what it keeps of
  /// prompts prompts[i]. input (sequences · n, D).
  const Matrix<S>& prefill(const StackWeights<S>& w, double eps, Rope<S>& rope, Visibility visibility,
                           const Eigen::Ref<const Matrix<S>>& input, std::span<const int64_t> prompts,
                           KvCache<S>& cache);
  /// The next n units of every row in `rows`: input (rows · n, D).
  const Matrix<S>& step(const StackWeights<S>& w, double eps, Rope<S>& rope, Visibility visibility,
                        const Eigen::Ref<const Matrix<S>>& input, std::span<const int64_t> rows,
                        KvCache<S>& cache);

  // What both do between the products of one layer, behind begin_prefill or begin_step: t.qkv (rows · n, ..),
  // rotated, to t.attended.
  void begin_prefill(Index sequences, Index n);
  void attend_prefill(const StackShape& shape, Visibility visibility, int64_t layer,
                      std::span<const int64_t> prompts, KvCache<S>& cache, LayerTape<S>& t);
  void begin_step(std::span<const int64_t> rows, Index n, const KvCache<S>& cache);
  void attend_step(const StackShape& shape, Visibility visibility, int64_t layer,
                   std::span<const int64_t> rows, KvCache<S>& cache, LayerTape<S>& t);

 private:
  std::vector<int64_t> positions_;
  std::vector<int64_t> first_key_;
  std::vector<KeySegment<S>> segments_;
  StackRunner<S> runner_;
};

}  // namespace photon::reference
