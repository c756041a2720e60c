// SPDX-License-Identifier: Apache-2.0
// The reference model behind core's InferenceModel, in float or double.
#pragma once

#include <memory>
#include <span>

#include "core/backend/backend.h"

namespace photon::reference {

/// parameters: parameter_elements(spec) values in parameter_list order. bfloat16 rounds the weights to
/// bfloat16 and computes in float32: what such a checkpoint holds, without the rounding of activations that a
/// GPU adds.
std::unique_ptr<InferenceModel> make_inference(const ModelSpec& spec, std::span<const float> parameters,
                                               DType dtype);

}  // namespace photon::reference
