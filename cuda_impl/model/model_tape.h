// SPDX-License-Identifier: Apache-2.0
// The teacher-forced forward pass (PHOTON, section 2) on the device, all chunks of a level at once, with the
// activations that backward needs or without: Xhat^(0) = D_1 o ... o D_L o E_L o ... o E_1 (X^(0)).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/model/model_spec.h"
#include "cuda_impl/model/stack_tape.h"

namespace photon::PHOTON_GPU {

/// Units of all sequences lie one under another.
struct LevelTape {
  bf16* chunk_normed = nullptr;  ///< (B M_l, C_l D_{l-1}), l >= 2
  StackTape encoder;
  bf16* x = nullptr;             ///< X^(l) (B M_l, D_l)
  bf16* conditioning = nullptr;  ///< (B M_l, K D_l)
  StackTape decoder;             ///< vanilla's only stack is level 1's
  bf16* xhat_below = nullptr;    ///< Xhat^(l-1) (B M_{l-1}, D_{l-1})
};

class ModelTape {
 public:
  /// Lays out a pass over `sequences` sequences of `length` tokens, which divide by the meta-context.
  ModelTape(Arena& arena, const ModelSpec& spec, int64_t sequences, int64_t length, StackTape::Keep keep);

  const ModelSpec& spec() const { return *spec_; }
  int64_t sequences() const { return sequences_; }
  int64_t length() const { return length_; }
  int64_t units(int l) const;  ///< B M_l; of l = 0 tokens
  const LevelTape& level(int l) const { return levels_[l - 1]; }
  bf16* x(int l) const { return level(l).x; }  ///< l = 1 .. L
  bf16* xhat(int l) const;                     ///< l = 0 .. L
  int32_t* ids() const { return ids_; }        ///< (B, T)
  const float* rotations(int64_t head_size) const { return rotations_.at(head_size); }
  bool known_beforehand(int l) const { return spec_->feedback(l) != Feedback::reconstructed; }

  /// Fills the tables of rotary angles: once, before the first forward.
  void upload_rotations(Stream& stream) const;
  /// From ids to Xhat^(0).
  void forward(Stream& stream, Matmul& matmul, const ModelWeights& weights) const;

 private:
  void embed(Stream& stream, const bf16* table, int64_t width, bf16* to) const;
  void encode_level(Stream& stream, Matmul& matmul, const ModelWeights& weights, int l) const;
  void decode_level(Stream& stream, Matmul& matmul, const ModelWeights& weights, int l) const;
  void decode_in_one_part(const LayerContext& context, const ModelWeights& weights, int l) const;
  void decode_unit_by_unit(const LayerContext& context, const ModelWeights& weights, int l) const;
  LayerContext context(Stream& stream, Matmul& matmul, const StackShape& shape) const;

  const ModelSpec* spec_;
  int64_t sequences_;
  int64_t length_;
  int64_t positions_;  ///< of the rotary tables
  int32_t* ids_ = nullptr;
  bf16* token_embeddings_ = nullptr;  // decoder-side, where they are fed back: (B T, D_0)
  std::vector<LevelTape> levels_;
  std::map<int64_t, float*> rotations_;
};

}  // namespace photon::PHOTON_GPU
