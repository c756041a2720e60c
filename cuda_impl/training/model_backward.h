// SPDX-License-Identifier: Apache-2.0
// The losses of a teacher-forced pass and their gradients (docs/architecture.md, "The model"), in the order
// of the reference: head, L_rec and L_context, decoders from the lowest up, encoders from the top down.
// Gradients of latent streams are float and added up where several parts of the model give to them; what runs
// along a stack is bf16.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/backend/trainable_model.h"
#include "cuda_impl/model/model_tape.h"
#include "cuda_impl/training/stack_backward.h"

namespace photon::PHOTON_GPU {

using ModelGradients = ModelView<float>;

/// What the sums of a batch's losses are divided by to become means, in the order of their sums on the
/// device.
struct LossCounts {
  int64_t token = 0;
  std::vector<int64_t> rec;      ///< l = 2 .. L
  std::vector<int64_t> context;  ///< l = 1 .. L; 0: the level has no term

  LossCounts(const ModelSpec& spec, int64_t sequences, int64_t length);
  size_t size() const { return 1 + rec.size() + context.size(); }
  Losses means(std::span<const double> sums) const;
};

class ModelBackward {
 public:
  /// Lays out what losses and gradients of `tape`'s passes need; without `gradients` the losses alone.
  ModelBackward(Arena& arena, const ModelTape& tape, const LossConfig& config, bool gradients);

  int32_t* targets() const { return targets_; }  ///< (B, T), -1: none; the caller's to fill
  /// After run: one double a loss, in LossCounts' order.
  const double* sums() const { return sums_; }
  /// After run: gradients of embedded tokens, one after another, and the width of each.
  struct EmbeddingGradients {
    const bf16* encoder = nullptr;  ///< of all tokens; null in a vanilla model
    int64_t encoder_width = 0;
    const bf16* decoder = nullptr;  ///< of PreparedBatch::fed; null where tokens are not fed back
    int64_t decoder_width = 0;
  };
  EmbeddingGradients embedding_gradients() const;

  /// Losses of what tape.forward made and, where laid out for it, weight · dL/dparameter added to g; the
  /// embedding tables' are the caller's (embedding_gradients).
  void run(Stream& stream, Matmul& matmul, const ModelWeights& w, const ModelGradients& g,
           double weight) const;

 private:
  struct Level {
    float* d_x = nullptr;           // dX^(l)
    float* d_xhat_below = nullptr;  // dXhat^(l-1), l >= 2
    float* d_a = nullptr;           // dA^(l) of L_context, where it is wanted
  };
  struct Context {
    Stream& stream;
    Matmul& matmul;
    const ModelWeights& w;
    const ModelGradients& g;
  };

  static int64_t head_rows(const ModelSpec& spec, int64_t tokens);
  void lay_out_losses(Arena& arena);
  void lay_out_latents(Arena& arena);
  void head_loss(const Context& c, double weight) const;
  void rec_losses(const Context& c, double weight) const;
  void context_losses(const Context& c, double weight) const;
  void sum_losses(const Context& c, int64_t rows, size_t loss) const;
  void decode_level(const Context& c, int l) const;
  void decode_in_one_part(const Context& c, int l) const;
  void decode_unit_by_unit(const Context& c, int l) const;
  void converter(const Context& c, int l) const;
  void encode_level(const Context& c, int l) const;
  void chunker(const Context& c, int l) const;
  void vanilla(const Context& c) const;
  /// Through the final norm of decoder l: unit j of every chunk, `units` of them, to rows of residual_.
  void decoder_norm(const Context& c, int l, const bf16* last, int64_t last_stride, int64_t j, int64_t units,
                    bf16* d_last) const;
  LayerContext layer_context(const Context& c, int l) const;
  float* d_xhat(int l) const;  // l >= 1; dXhat^(L) = dX^(L)
  const Level& level(int l) const { return levels_[l - 1]; }

  const ModelTape& tape_;
  const ModelSpec& spec_;
  LossConfig config_;
  LossCounts counts_;
  bool gradients_;
  int64_t head_rows_;
  int32_t* targets_ = nullptr;
  float* logits_ = nullptr;      // (head_rows, V)
  float* row_losses_ = nullptr;  // of the stream with most rows
  double* sum_partial_ = nullptr;
  double* sums_ = nullptr;
  std::vector<Level> levels_;
  float* latents_ = nullptr;  // all of levels_, one after another
  int64_t latent_elements_ = 0;
  bf16* d_tokens_ = nullptr;  // dXhat^(0) (B T, D_0)
  bf16* d_fed_ = nullptr;     // (B M_1 (C_1 - 1), D_0), of token embeddings
  bf16* residual_ = nullptr;  // the gradient that runs along a stack
  BackwardScratch scratch_;
};

}  // namespace photon::PHOTON_GPU
