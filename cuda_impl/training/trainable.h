// SPDX-License-Identifier: Apache-2.0
// A model in training on the device.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/backend/backend.h"
#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// parameters: float32 in parameter_list order.
std::unique_ptr<TrainableModel> make_trainable(const ModelSpec& spec, std::span<const float> parameters,
                                               Recompute recompute);

/// What a step over micro-batches of `sequences` sequences of `length` tokens will hold.
TrainingPlan plan_training(const ModelSpec& spec, int64_t sequences, int64_t length, const LossConfig& loss,
                           Recompute recompute);

/// What one optimizer step on this batch starts, found without memory for it and without running anything.
std::vector<Launch> training_launches(const ModelSpec& spec, const TokenBatch& batch, const LossConfig& loss,
                                      Recompute recompute);

}  // namespace photon::PHOTON_GPU
