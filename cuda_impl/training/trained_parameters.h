// SPDX-License-Identifier: Apache-2.0
// What training keeps of every parameter on the device: the float weight, its gradient and moments (AdamW,
// Loshchilov & Hutter 2019), and the weight in bf16 that products read, all at the same places.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/backend/trainable_model.h"
#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/parameter_tiles.h"
#include "cuda_impl/model/weights.h"

namespace photon::PHOTON_GPU {

class TrainedParameters {
 public:
  /// parameters: float32 in parameter_list order. Gradients and moments are zero. On a dry stream, without
  /// parameters and without memory.
  TrainedParameters(const ModelSpec& spec, std::span<const float> parameters, Stream& stream);

  const ModelWeights& weights() const { return weights_; }
  const ModelView<float>& gradients() const { return gradients_; }

  /// Euclidean norm over the gradients of trained parameters; waits for the device.
  double gradient_norm(Stream& stream) const;
  void clear_gradients(Stream& stream) const;
  /// Updates and clears the gradients.
  void adamw_step(Stream& stream, const AdamWStep& step) const;

  enum class Array { parameters, gradients, first, second };
  void read(Stream& stream, Array array, std::span<float> out) const;
  void write(Stream& stream, Array array, std::span<const float> in);

  /// Of the four float arrays together and of the bf16 weights, before they are made.
  struct Bytes {
    int64_t weights = 0;
    int64_t gradients = 0;
    int64_t moments = 0;
    int64_t workspace = 0;
  };
  static Bytes bytes(const ModelSpec& spec);

 private:
  float* array(Array a) const { return arrays_ + static_cast<int64_t>(a) * places_.elements(); }

  ParameterPlaces places_;
  std::vector<ParameterTile> tiles_;
  int64_t trained_ = 0;
  int64_t frozen_ = 0;
  DeviceBuffer memory_;
  float* arrays_ = nullptr;  // parameters, gradients, first and second moments
  bf16* rounded_ = nullptr;
  ParameterTile* device_tiles_ = nullptr;
  double* norm_partial_ = nullptr;
  double* norm_ = nullptr;
  ModelWeights weights_;
  ModelView<float> gradients_;
};

}  // namespace photon::PHOTON_GPU
