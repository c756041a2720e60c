// SPDX-License-Identifier: Apache-2.0
// A Transformer stack over N sequences, advanced in parts and differentiated: F_l over the units of a level
// (one part), or G_l over the windows of all chunks. Where a decoder feeds its own outputs back (readings
// `parallel`, `literal`, `hatted`) each fed-back unit is a part of one row, and backward runs through the
// parts in reverse.
#pragma once

#include <cstdint>
#include <vector>

#include "reference/attention.h"
#include "reference/layer.h"

namespace photon::reference {

template <class S>
class StackTape {
 public:
  /// Forgets earlier parts (their memory is kept for the next pass). `rope` must outlive the tape's use.
  void begin(const StackWeights<S>& weights, double eps, Rope<S>& rope, Index sequences,
             Visibility visibility);

  /// Appends n positions to every sequence: input (sequences · n, D), sequence by sequence. Returns the
  /// stack's output after its final norm, same shape.
  const Matrix<S>& forward(const Matrix<S>& input);

  /// After the last forward, before the first backward.
  void begin_backward();
  /// Gradient of part p's output to that of its input, in place in d; parts in reverse order. Weight
  /// gradients are added to g.
  void backward(Index p, StackWeights<S>& g, Matrix<S>& d);

  const Matrix<S>& output(Index p) const { return parts_[p].output; }
  Index parts() const { return used_; }

 private:
  struct Part {
    Index rows = 0;  // of each sequence
    std::vector<LayerTape<S>> layers;
    std::vector<Matrix<S>> d_qkv;
    Matrix<S> last;  // before the final norm
    Matrix<S> output;
    std::vector<int64_t> positions;
  };

  AttentionInput<S> attention_input(size_t layer, size_t part, bool with_gradients);

  const StackWeights<S>* weights_ = nullptr;
  double eps_ = 0.0;
  Rope<S>* rope_ = nullptr;
  Index sequences_ = 0;
  Index length_ = 0;
  Visibility visibility_;
  std::vector<Part> parts_;
  Index used_ = 0;
  std::vector<KeySegment<S>> segments_;
  std::vector<int64_t> first_key_;
  LayerBackwardScratch<S> scratch_;
  Matrix<S> d_last_;
};

}  // namespace photon::reference
