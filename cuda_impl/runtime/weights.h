// A model's weights on the device in bf16, each where a kernel or a matrix product reads it: q, k, v are one
// matrix, gate and up another.
#pragma once

#include <span>
#include <vector>

#include "core/model_spec.h"
#include "cuda_impl/runtime/arena.h"

namespace photon::PHOTON_GPU {

struct LayerWeights {
  const bf16* attention_norm = nullptr;  ///< (D)
  const bf16* qkv = nullptr;             ///< (D + 2 kv_width, D)
  const bf16* o = nullptr;               ///< (D, D)
  const bf16* ffn_norm = nullptr;        ///< (D)
  const bf16* gate_up = nullptr;         ///< (2 F, D)
  const bf16* down = nullptr;            ///< (D, F)
};

struct StackWeights {
  StackShape shape;
  std::vector<LayerWeights> layers;
  const bf16* norm = nullptr;  ///< (D)
};

struct LevelWeights {
  const bf16* chunker_norm = nullptr;  ///< (C · D_below), l >= 2
  const bf16* chunker_proj = nullptr;  ///< (D, C · D_below)
  const bf16* chunker_bias = nullptr;  ///< (D)
  StackWeights encoder;
  const bf16* start = nullptr;           ///< (D)
  const bf16* converter = nullptr;       ///< (R · D_below, K · D)
  const bf16* converter_bias = nullptr;  ///< (R · D_below)
  StackWeights decoder;                  ///< vanilla's only stack is level 1's
};

class Weights {
 public:
  /// parameters: float32 in parameter_list order; rounded to bf16.
  Weights(const ModelSpec& spec, std::span<const float> parameters);

  const LevelWeights& level(int l) const { return levels_[static_cast<size_t>(l - 1)]; }
  const bf16* encoder_embedding() const { return encoder_embedding_; }  ///< (V, D_1 / C_1)
  const bf16* decoder_embedding() const { return decoder_embedding_; }  ///< (V, D_0)
  const bf16* head() const { return head_; }                            ///< (V, D_0)
  int64_t bytes() const { return memory_.bytes(); }
  /// Of the allocation, before it is made.
  static int64_t bytes(const ModelSpec& spec);

 private:
  DeviceBuffer memory_;
  std::vector<LevelWeights> levels_;
  const bf16* encoder_embedding_ = nullptr;
  const bf16* decoder_embedding_ = nullptr;
  const bf16* head_ = nullptr;
};

}  // namespace photon::PHOTON_GPU
