// SPDX-License-Identifier: Apache-2.0
#include "reference/stack_tape.h"

namespace photon::reference {

template <class S>
void StackTape<S>::begin(const StackWeights<S>& weights, double eps, Rope<S>& rope, Index sequences,
                         Visibility visibility) {
  weights_ = &weights;
  eps_ = eps;
  rope_ = &rope;
  sequences_ = sequences;
  visibility_ = visibility;
  length_ = 0;
  used_ = 0;
  first_key_.assign(sequences, 0);
}

template <class S>
AttentionInput<S> StackTape<S>::attention_input(size_t layer, size_t part, bool with_gradients) {
  const StackShape& shape = weights_->shape;
  const Index q_width = shape.width;
  const Index stride = q_width + 2 * shape.kv_width();
  segments_.clear();
  for (Index i = 0; i < sequences_; ++i) {
    for (size_t p = 0; p <= part; ++p) {
      Part& source = parts_[p];
      const Index at = i * source.rows * stride + q_width;
      const S* k = source.layers[layer].qkv.data() + at;
      KeySegment<S> segment{k, k + shape.kv_width(), stride, source.rows};
      if (with_gradients) {
        segment.dk = source.d_qkv[layer].data() + at;
        segment.dv = segment.dk + shape.kv_width();
      }
      segments_.push_back(segment);
    }
  }
  return {.shape = shape,
          .visibility = visibility_,
          .sequences = sequences_,
          .queries = parts_[part].rows,
          .q = parts_[part].layers[layer].qkv.data(),
          .q_stride = stride,
          .segments_per_sequence = static_cast<Index>(part) + 1,
          .segments = segments_,
          .first_key = first_key_};
}

template <class S>
const Matrix<S>& StackTape<S>::forward(const Matrix<S>& input) {
  const auto index = static_cast<size_t>(used_++);
  if (parts_.size() <= index) parts_.emplace_back();
  Part& part = parts_[index];
  part.rows = input.rows() / sequences_;
  part.layers.resize(weights_->layers.size());
  part.positions.resize(input.rows());
  for (Index r = 0; r < input.rows(); ++r) part.positions[r] = length_ + r % part.rows;
  length_ += part.rows;
  rope_->reserve(length_);
  part.layers[0].input = input;
  for (size_t i = 0; i < part.layers.size(); ++i) {
    Matrix<S>& output = i + 1 < part.layers.size() ? part.layers[i + 1].input : part.last;
    const auto attend = [&](LayerTape<S>& t) {
      attention(attention_input(i, index, false), t.attended.data(), t.attended.cols());
    };
    layer_forward(weights_->layers[i], weights_->shape, eps_, *rope_, part.positions, part.layers[i], attend,
                  output);
  }
  rms_norm<S>(part.last, weights_->norm, eps_, part.output);
  return part.output;
}

template <class S>
void StackTape<S>::begin_backward() {
  for (size_t p = 0; p < static_cast<size_t>(used_); ++p) {
    parts_[p].d_qkv.resize(parts_[p].layers.size());
    for (size_t i = 0; i < parts_[p].layers.size(); ++i) {
      const auto& qkv = parts_[p].layers[i].qkv;
      parts_[p].d_qkv[i].setZero(qkv.rows(), qkv.cols());
    }
  }
}

template <class S>
void StackTape<S>::backward(Index p, StackWeights<S>& g, Matrix<S>& d) {
  const auto index = static_cast<size_t>(p);
  Part& part = parts_[index];
  d_last_.setZero(d.rows(), d.cols());
  rms_norm_backward<S>(part.last, weights_->norm, eps_, d, d_last_, g.norm);
  d.swap(d_last_);
  for (size_t i = part.layers.size(); i-- > 0;) {
    Matrix<S>& d_qkv = part.d_qkv[i];
    const auto attend_backward = [&](const LayerTape<S>& t, const Matrix<S>& d_attended) {
      attention_backward(attention_input(i, index, true), t.attended.data(), d_attended.data(),
                         t.attended.cols(), d_qkv.data());
    };
    layer_backward(weights_->layers[i], g.layers[i], weights_->shape, eps_, *rope_, part.positions,
                   part.layers[i], attend_backward, d_qkv, scratch_, d);
  }
}

template class StackTape<float>;
template class StackTape<double>;
template class StackTape<std::complex<double>>;

}  // namespace photon::reference
