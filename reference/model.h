// SPDX-License-Identifier: Apache-2.0
// The model of the paper's section 2 for any number of levels, teacher-forced: Xhat^(0) = D_1 o ... o D_L o
// E_L o
// ... o E_1 (X^(0)), its losses and their gradients. L = 0 is a vanilla Transformer, L = 1 the Block
// Transformer.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/backend/trainable_model.h"
#include "core/model/model_spec.h"
#include "reference/conditioning.h"
#include "reference/losses.h"
#include "reference/stack_tape.h"
#include "reference/weights.h"

namespace photon::reference {

/// Everything one level computes in a forward pass. Units of all sequences lie one under another.
template <class S>
struct LevelTape {
  Matrix<S> chunk_normed;  // (B M_l, C_l D_{l-1}), l >= 2
  Matrix<S> a;             // A^(l) (B M_l, D_l)
  StackTape<S> encoder;
  Matrix<S> x;             // X^(l) (B M_l, D_l)
  Matrix<S> conditioning;  // (B M_l, K D_l)
  Matrix<S> prefix;        // U^(l) (B M_l, R_l D_{l-1})
  Matrix<S> window;        // input of decoder l where all of it is known beforehand
  StackTape<S> decoder;
  Matrix<S> xhat_below;  // Xhat^(l-1) (B M_{l-1}, D_{l-1})
};

template <class S>
struct LossValues {
  Wide<S> token{};
  Wide<S> rec{};
  Wide<S> context{};
  Wide<S> total(const LossConfig& c) const {
    return token + Wide<S>(c.alpha) * rec + Wide<S>(c.beta) * context;
  }
};

template <class S>
class Model {
 public:
  /// `parameters`: parameter_elements(spec) values in parameter_list order; they must outlive the model.
  Model(const ModelSpec& spec, S* parameters);

  /// The losses of a batch. With `gradients` given (same layout as the parameters), adds weight ·
  /// dL/dparameter. Throws Error unless the batch's length divides by the meta-context and its tokens are
  /// below vocab.
  LossValues<S> losses(const TokenBatch& batch, const LossConfig& config, double weight = 1.0,
                       S* gradients = nullptr);

  /// Runs the forward pass; afterwards the streams can be read.
  void forward(const TokenBatch& batch);
  const Matrix<S>& x(int l) const { return level(l).x; }  ///< X^(l), l = 1 .. L
  const Matrix<S>& xhat(int l) const;                     ///< Xhat^(l), l = 0 .. L
  const MatrixMap<S>& head() const { return weights_.head; }
  const ModelSpec& spec() const { return spec_; }

 private:
  void encode();             // E_1 .. E_L
  void decode();             // D_L .. D_1
  void decode_level(int l);  // D_l: Xhat^(l) -> Xhat^(l-1)
  void decode_in_one_part(int l);
  void decode_unit_by_unit(int l);
  void embed_tokens(const MatrixMap<S>& table, Matrix<S>& out) const;
  const Matrix<S>& fed_back(int l) const;  // rows the window of decoder l takes, one a unit
  Wide<S> rec_loss(const LossConfig& config, S factor, bool gradients);
  Wide<S> context_loss(const LossConfig& config, S factor, bool gradients);

  void begin_gradients(S* gradients);
  void backward();
  void decode_level_backward(int l);
  void decode_in_one_part_backward(int l);
  void decode_unit_by_unit_backward(int l);
  void converter_backward(int l);
  void encode_level_backward(int l);
  void add_embedding_gradient(MatrixMap<S>& table, const Matrix<S>& d) const;

  const LevelTape<S>& level(int l) const { return tape_[l - 1]; }
  LevelTape<S>& level(int l) { return tape_[l - 1]; }
  Index units(int l) const {
    return batch_->sequences * (batch_->length / spec_.cumulative_chunk(l));
  }  // B M_l
  bool known_beforehand(int l) const { return spec_.feedback(l) != Feedback::reconstructed; }

  struct LevelGradients {
    Matrix<S> a;           // dA^(l)
    Matrix<S> x;           // dX^(l)
    Matrix<S> prefix;      // dU^(l)
    Matrix<S> xhat_below;  // dXhat^(l-1)
  };
  LevelWeights<S>& g(int l) { return gradients_->level(l); }
  LevelGradients& d(int l) { return gradient_tape_[l - 1]; }
  Matrix<S>& d_xhat(int l) { return l == spec_.depth() && l > 0 ? d(l).x : d(l + 1).xhat_below; }

  ModelSpec spec_;
  Weights<S> weights_;
  std::vector<Rope<S>> ropes_;  // by level, 0 .. L
  const TokenBatch* batch_ = nullptr;
  Matrix<S> x0_;                // X^(0) (B T, D_1 / C_1)
  Matrix<S> token_embeddings_;  // decoder-side (B T, D_0)
  std::vector<LevelTape<S>> tape_;
  HeadLoss<S> head_loss_;

  std::optional<Weights<S>> gradients_;
  std::vector<LevelGradients> gradient_tape_;
  Matrix<S> d_token_embeddings_;
  Matrix<S> scratch_;
  Matrix<S> part_input_;
};

}  // namespace photon::reference
