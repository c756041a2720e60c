// SPDX-License-Identifier: Apache-2.0
// Where a model's parameters lie on the device, each where a kernel or a matrix product reads it: q, k, v are
// one matrix, gate and up another. The same places serve the weights in bf16 and, in training, the float
// arrays of weights, gradients and moments.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/model/model_spec.h"
#include "core/model/parameters.h"
#include "cuda_impl/device/arena.h"

namespace photon::PHOTON_GPU {

template <class T>
struct LayerView {
  T* attention_norm = nullptr;  ///< (D)
  T* qkv = nullptr;             ///< (D + 2 kv_width, D)
  T* o = nullptr;               ///< (D, D)
  T* ffn_norm = nullptr;        ///< (D)
  T* gate_up = nullptr;         ///< (2 F, D)
  T* down = nullptr;            ///< (D, F)
};

template <class T>
struct StackView {
  StackShape shape;
  std::vector<LayerView<T>> layers;
  T* norm = nullptr;  ///< (D)
};

template <class T>
struct LevelView {
  T* chunker_norm = nullptr;  ///< (C · D_below), l >= 2
  T* chunker_proj = nullptr;  ///< (D, C · D_below)
  T* chunker_bias = nullptr;  ///< (D)
  StackView<T> encoder;
  T* start = nullptr;           ///< (D)
  T* converter = nullptr;       ///< (R · D_below, K · D)
  T* converter_bias = nullptr;  ///< (R · D_below)
  StackView<T> decoder;         ///< vanilla's only stack is level 1's
};

template <class T>
struct ModelView {
  T* encoder_embedding = nullptr;  ///< (V, D_1 / C_1)
  T* decoder_embedding = nullptr;  ///< (V, D_0)
  T* head = nullptr;               ///< (V, D_0)
  std::vector<LevelView<T>> levels;

  const LevelView<T>& level(int l) const { return levels[l - 1]; }
};

using LayerWeights = LayerView<const bf16>;
using StackWeights = StackView<const bf16>;
using LevelWeights = LevelView<const bf16>;
using ModelWeights = ModelView<const bf16>;

/// First element of every parameter in an array on the device: as in parameter_list, with gaps that align
/// what begins a matrix.
class ParameterPlaces {
 public:
  explicit ParameterPlaces(const ModelSpec& spec);

  const std::vector<ParameterInfo>& list() const { return list_; }
  int64_t first(size_t parameter) const { return first_[parameter]; }
  /// Of an array of all parameters, gaps included.
  int64_t elements() const { return first_.back(); }
  template <class T>
  ModelView<T> view(T* base) const;

 private:
  ModelSpec spec_;
  std::vector<ParameterInfo> list_;
  std::vector<int64_t> first_;
};

/// The weights in bf16.
class Weights {
 public:
  /// parameters: float32 in parameter_list order; rounded to bf16.
  Weights(const ModelSpec& spec, std::span<const float> parameters);

  const ModelWeights& view() const { return view_; }
  int64_t bytes() const { return memory_.bytes(); }
  /// Of the allocation, before it is made.
  static int64_t bytes(const ModelSpec& spec);

 private:
  DeviceBuffer memory_;
  ModelWeights view_;
};

}  // namespace photon::PHOTON_GPU
