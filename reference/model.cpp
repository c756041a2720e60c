// SPDX-License-Identifier: Apache-2.0
#include "reference/model.h"

#include <fmt/format.h>

#include "core/base/error.h"
#include "core/model/targets.h"
#include "reference/chunker.h"

namespace photon::reference {

template <class S>
Model<S>::Model(const ModelSpec& spec, S* parameters)
    : spec_(spec), weights_(view_weights(spec, parameters)) {
  for (int l = 0; l <= spec.depth(); ++l) ropes_.emplace_back(spec.shape(l).head_size(), spec.rope_theta);
  tape_.resize(std::max(spec.depth(), 1));
}

template <class S>
const Matrix<S>& Model<S>::xhat(int l) const {
  return l > 0 && l == spec_.depth() ? level(l).x : level(l + 1).xhat_below;  // Xhat^(L) = X^(L)
}

template <class S>
void Model<S>::forward(const TokenBatch& batch) {
  if (batch.sequences < 1) throw Error(fmt::format("model '{}': a batch without rows", spec_.name));
  if (batch.length < 1 || batch.length % spec_.meta_context() != 0) {
    throw Error(fmt::format("model '{}': {} tokens a row do not divide by the meta-context of {} tokens",
                            spec_.name, batch.length, spec_.meta_context()));
  }
  for (const int32_t id : batch.ids) {
    if (id < 0 || id >= spec_.vocab) {
      throw Error(fmt::format("model '{}': token id {} is outside the vocabulary of {}", spec_.name, id,
                              spec_.vocab));
    }
  }
  batch_ = &batch;
  embed_tokens(weights_.decoder_embedding, token_embeddings_);
  if (spec_.depth() > 0) {
    encode();
    decode();
    return;
  }
  LevelTape<S>& t = level(1);
  t.decoder.begin(weights_.level(1).decoder, spec_.norm_eps, ropes_[0], batch.sequences, {});
  t.xhat_below = t.decoder.forward(token_embeddings_);
}

template <class S>
void Model<S>::embed_tokens(const MatrixMap<S>& table, Matrix<S>& out) const {
  const auto rows = static_cast<Index>(batch_->ids.size());
  out.resize(rows, table.cols());
  for (Index r = 0; r < rows; ++r) out.row(r) = table.row(batch_->ids[r]);
}

// Section 2, hierarchical encoder: A^(l) = Chunk_l(X^(l-1)), X^(l) = F_l(A^(l)).
template <class S>
void Model<S>::encode() {
  embed_tokens(weights_.encoder_embedding, x0_);
  for (int l = 1; l <= spec_.depth(); ++l) {
    LevelTape<S>& t = level(l);
    chunk_units(weights_.level(l).chunker, spec_.norm_eps, l == 1 ? x0_ : level(l - 1).x,
                spec_.level(l).chunk, t.chunk_normed, t.a);
    t.encoder.begin(weights_.level(l).encoder, spec_.norm_eps, ropes_[l], batch_->sequences,
                    spec_.visibility(l));
    t.x = t.encoder.forward(t.a);
  }
}

template <class S>
void Model<S>::decode() {
  for (int l = spec_.depth(); l >= 1; --l) decode_level(l);
}

// Section 2, hierarchical decoder: U^(l) = Conv_l(conditioning), Xhat^(l-1) of a chunk = G_l([U ; fed back]).
template <class S>
void Model<S>::decode_level(int l) {
  LevelTape<S>& t = level(l);
  const LevelWeights<S>& w = weights_.level(l);
  const LevelSpec& s = spec_.level(l);
  const ConditioningWindow window{s.converter_context, spec_.conditioning(l) == Conditioning::previous};
  const Index chunks = units(l) / batch_->sequences;
  gather_conditioning(window, xhat(l), w.start, batch_->sequences, chunks, chunks, t.conditioning);
  affine<S>(t.conditioning, w.converter, w.converter_bias, t.prefix);
  t.decoder.begin(w.decoder, spec_.norm_eps, ropes_[l - 1], units(l), {});
  t.xhat_below.resize(units(l - 1), spec_.shape(l - 1).width);
  if (known_beforehand(l)) {
    decode_in_one_part(l);
  } else {
    decode_unit_by_unit(l);
  }
}

template <class S>
const Matrix<S>& Model<S>::fed_back(int l) const {
  return spec_.feedback(l) == Feedback::token ? token_embeddings_ : level(l - 1).x;
}

// The window [U_1 .. U_R, f_1 .. f_{C-1}]; position R + j - 1 (from 0) makes unit j + 1.
template <class S>
void Model<S>::decode_in_one_part(int l) {
  LevelTape<S>& t = level(l);
  const Index c = spec_.level(l).chunk;
  const Index r = spec_.level(l).prefix;
  const Index width = spec_.shape(l - 1).width;
  const Matrix<S>& feedback = fed_back(l);
  t.window.resize(units(l) * (r + c - 1), width);
  for (Index g = 0; g < units(l); ++g) {
    t.window.middleRows(g * (r + c - 1), r) = ConstMatrixMap<S>(t.prefix.data() + g * r * width, r, width);
    t.window.middleRows(g * (r + c - 1) + r, c - 1) = feedback.middleRows(g * c, c - 1);
  }
  const Matrix<S>& out = t.decoder.forward(t.window);
  for (Index g = 0; g < units(l); ++g) {
    t.xhat_below.middleRows(g * c, c) = out.middleRows(g * (r + c - 1) + r - 1, c);
  }
}

// Where units are fed back as they are made, the window grows by one row at a time, in all chunks at once.
template <class S>
void Model<S>::decode_unit_by_unit(int l) {
  LevelTape<S>& t = level(l);
  const Index c = spec_.level(l).chunk;
  const Index r = spec_.level(l).prefix;
  const Index width = spec_.shape(l - 1).width;
  part_input_ = reshaped(t.prefix, units(l) * r, width);
  for (Index j = 0; j < c; ++j) {
    const Matrix<S>& out = t.decoder.forward(part_input_);
    const Index rows = j == 0 ? r : 1;
    part_input_.resize(units(l), width);
    for (Index g = 0; g < units(l); ++g) {
      part_input_.row(g) = out.row(g * rows + rows - 1);
      t.xhat_below.row(g * c + j) = part_input_.row(g);
    }
  }
}

template <class S>
LossValues<S> Model<S>::losses(const TokenBatch& batch, const LossConfig& config, double weight,
                               S* gradients) {
  forward(batch);
  const bool differentiate = gradients != nullptr;
  if (differentiate) begin_gradients(gradients);
  LossValues<S> values;
  if (const Index scored = batch.sequences * (batch.length - 1); scored > 0) {
    const double factor = weight / static_cast<double>(scored);
    values.token = head_loss_(xhat(0), weights_.head, shifted_targets(spec_, batch.ids, batch.length),
                              S(static_cast<Real<S>>(factor)), differentiate ? &d_xhat(0) : nullptr,
                              differentiate ? &gradients_->head : nullptr) /
                   Wide<S>(static_cast<double>(scored));
  }
  values.rec = rec_loss(config, S(static_cast<Real<S>>(weight * config.alpha)), differentiate);
  values.context = context_loss(config, S(static_cast<Real<S>>(weight * config.beta)), differentiate);
  if (differentiate) backward();
  batch_ = nullptr;
  return values;
}

// L_rec = sum over l = 2..L of the mean of d(Xhat^(l-1), X^(l-1)). Level 1 has no term: X^(0) and Xhat^(0)
// differ in width, and the paper does not say how it would be formed.
template <class S>
Wide<S> Model<S>::rec_loss(const LossConfig& config, S factor, bool gradients) {
  Wide<S> total(0);
  RowVector<S> target;
  for (int l = 2; l <= spec_.depth(); ++l) {
    const Matrix<S>& made = xhat(l - 1);
    const Matrix<S>& aim = x(l - 1);
    const auto count = static_cast<Real<S>>(made.rows());
    const bool differentiate = gradients && factor != S(0);
    Wide<S> sum(0);
    for (Index r = 0; r < made.rows(); ++r) {
      target = aim.row(r);
      if (config.detach_targets) target = target.unaryExpr([](const S& v) { return detached(v); });
      sum += Wide<S>(
          distance<S>(config.distance, {made.row(r).data(), made.cols()}, {target.data(), target.size()},
                      factor / S(count), differentiate ? d_xhat(l - 1).row(r).data() : nullptr,
                      differentiate && !config.detach_targets ? d(l - 1).x.row(r).data() : nullptr));
    }
    total += sum / Wide<S>(static_cast<double>(made.rows()));
  }
  return total;
}

// L_context (first version): sum over l = 1..L of the mean over g >= 2 of d(X^(l)_{g-1}, A^(l)_g).
template <class S>
Wide<S> Model<S>::context_loss(const LossConfig& config, S factor, bool gradients) {
  Wide<S> total(0);
  RowVector<S> target;
  for (int l = 1; l <= spec_.depth(); ++l) {
    const LevelTape<S>& t = level(l);
    const Index m = units(l) / batch_->sequences;
    if (m == 1) continue;
    const Index count = batch_->sequences * (m - 1);
    const bool differentiate = gradients && factor != S(0);
    Wide<S> sum(0);
    for (Index r = 0; r < t.x.rows(); ++r) {
      if (r % m == m - 1) continue;
      target = t.a.row(r + 1);
      if (config.detach_targets) target = target.unaryExpr([](const S& v) { return detached(v); });
      sum += Wide<S>(
          distance<S>(config.distance, {t.x.row(r).data(), t.x.cols()}, {target.data(), target.size()},
                      factor / S(static_cast<Real<S>>(count)), differentiate ? d(l).x.row(r).data() : nullptr,
                      differentiate && !config.detach_targets ? d(l).a.row(r + 1).data() : nullptr));
    }
    total += sum / Wide<S>(static_cast<double>(count));
  }
  return total;
}

template class Model<float>;
template class Model<double>;
template class Model<std::complex<double>>;

}  // namespace photon::reference
