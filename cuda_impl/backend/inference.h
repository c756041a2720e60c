// SPDX-License-Identifier: Apache-2.0
// core's InferenceModel on the device.
#pragma once

#include <memory>
#include <span>

#include "core/backend/backend.h"
#include "cuda_impl/generation/generation_plan.h"

namespace photon::PHOTON_GPU {

/// parameters: float32 in parameter_list order, rounded to bf16. Throws Error on another dtype than bfloat16,
/// and if the weights do not fit the device.
std::unique_ptr<InferenceModel> make_inference(const ModelSpec& spec, std::span<const float> parameters,
                                               DType dtype, const EngineLimits& limits);

}  // namespace photon::PHOTON_GPU
