// SPDX-License-Identifier: Apache-2.0
#include "reference/model.h"

namespace photon::reference {

template <class S>
void Model<S>::begin_gradients(S* gradients) {
  gradients_.emplace(view_weights(spec_, gradients));
  gradient_tape_.resize(tape_.size());
  d_token_embeddings_.setZero(token_embeddings_.rows(), token_embeddings_.cols());
  for (int l = 1; l <= std::max(spec_.depth(), 1); ++l) {
    const LevelTape<S>& t = level(l);
    d(l).xhat_below.setZero(t.xhat_below.rows(), t.xhat_below.cols());
    if (spec_.depth() == 0) break;
    d(l).a.setZero(t.a.rows(), t.a.cols());
    d(l).x.setZero(t.x.rows(), t.x.cols());
    d(l).prefix.setZero(t.prefix.rows(), t.prefix.cols());
  }
}

template <class S>
void Model<S>::backward() {
  if (spec_.depth() == 0) {
    LevelTape<S>& t = level(1);
    t.decoder.begin_backward();
    t.decoder.backward(0, g(1).decoder, d(1).xhat_below);
    d_token_embeddings_ += d(1).xhat_below;
  }
  for (int l = 1; l <= spec_.depth(); ++l) decode_level_backward(l);
  add_embedding_gradient(gradients_->decoder_embedding, d_token_embeddings_);
  for (int l = spec_.depth(); l >= 1; --l) encode_level_backward(l);
}

template <class S>
void Model<S>::decode_level_backward(int l) {
  level(l).decoder.begin_backward();
  if (known_beforehand(l)) {
    decode_in_one_part_backward(l);
  } else {
    decode_unit_by_unit_backward(l);
  }
  converter_backward(l);
}

template <class S>
void Model<S>::decode_in_one_part_backward(int l) {
  const Index c = spec_.level(l).chunk;
  const Index r = spec_.level(l).prefix;
  const Index width = spec_.shape(l - 1).width;
  Matrix<S>& d_window = scratch_;
  d_window.setZero(units(l) * (r + c - 1), width);
  for (Index g = 0; g < units(l); ++g) {
    d_window.middleRows(g * (r + c - 1) + r - 1, c) = d(l).xhat_below.middleRows(g * c, c);
  }
  level(l).decoder.backward(0, g(l).decoder, d_window);
  Matrix<S>& d_feedback = spec_.feedback(l) == Feedback::token ? d_token_embeddings_ : d(l - 1).x;
  for (Index g = 0; g < units(l); ++g) {
    MatrixMap<S>(d(l).prefix.data() + g * r * width, r, width) = d_window.middleRows(g * (r + c - 1), r);
    d_feedback.middleRows(g * c, c - 1) += d_window.middleRows(g * (r + c - 1) + r, c - 1);
  }
}

template <class S>
void Model<S>::decode_unit_by_unit_backward(int l) {
  const Index c = spec_.level(l).chunk;
  const Index r = spec_.level(l).prefix;
  const Index width = spec_.shape(l - 1).width;
  Matrix<S>& d_part = scratch_;
  part_input_.setZero(units(l), width);  // gradient of what the next part was fed
  for (Index j = c - 1; j >= 0; --j) {
    const Index rows = j == 0 ? r : 1;
    d_part.setZero(units(l) * rows, width);
    for (Index g = 0; g < units(l); ++g) {
      d_part.row(g * rows + rows - 1) = d(l).xhat_below.row(g * c + j) + part_input_.row(g);
    }
    level(l).decoder.backward(j, g(l).decoder, d_part);
    if (j > 0) part_input_ = d_part;
  }
  d(l).prefix = reshaped(d_part, units(l), r * width);
}

template <class S>
void Model<S>::converter_backward(int l) {
  const LevelTape<S>& t = level(l);
  LevelWeights<S>& gradients = g(l);
  const LevelSpec& s = spec_.level(l);
  linear_weight_gradient<S>(d(l).prefix, t.conditioning, gradients.converter);
  gradients.converter_bias += d(l).prefix.colwise().sum();
  scratch_.resize(t.conditioning.rows(), t.conditioning.cols());
  linear_input_gradient<S>(d(l).prefix, weights_.level(l).converter, scratch_);
  const ConditioningWindow window{s.converter_context, spec_.conditioning(l) == Conditioning::previous};
  scatter_conditioning(window, scratch_, batch_->sequences, d_xhat(l), gradients.start);
}

template <class S>
void Model<S>::encode_level_backward(int l) {
  LevelTape<S>& t = level(l);
  t.encoder.begin_backward();
  t.encoder.backward(0, g(l).encoder, d(l).x);
  d(l).a += d(l).x;
  if (l == 1) {
    const Matrix<S> d_x0 = reshaped(d(1).a, x0_.rows(), x0_.cols());
    add_embedding_gradient(gradients_->encoder_embedding, d_x0);
    return;
  }
  const ChunkerWeights<S>& w = weights_.level(l).chunker;
  ChunkerWeights<S>& gradients = g(l).chunker;
  linear_weight_gradient<S>(d(l).a, t.chunk_normed, gradients.proj);
  gradients.bias += d(l).a.colwise().sum();
  Matrix<S> d_normed(t.chunk_normed.rows(), t.chunk_normed.cols());
  linear_input_gradient<S>(d(l).a, w.proj, d_normed);
  scratch_ = reshaped(level(l - 1).x, d_normed.rows(), d_normed.cols());
  Matrix<S> d_chunks = Matrix<S>::Zero(d_normed.rows(), d_normed.cols());
  rms_norm_backward<S>(scratch_, w.norm, spec_.norm_eps, d_normed, d_chunks, gradients.norm);
  Matrix<S>& d_below = d(l - 1).x;
  reshaped(d_below, d_chunks.rows(), d_chunks.cols()) += d_chunks;
}

template <class S>
void Model<S>::add_embedding_gradient(MatrixMap<S>& table, const Matrix<S>& d) const {
  for (Index r = 0; r < d.rows(); ++r) table.row(batch_->ids[r]) += d.row(r);
}

template class Model<float>;
template class Model<double>;
template class Model<std::complex<double>>;

}  // namespace photon::reference
