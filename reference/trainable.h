// SPDX-License-Identifier: Apache-2.0
// The reference model in float32 behind core's TrainableModel.
#pragma once

#include <memory>
#include <span>

#include "core/backend/backend.h"

namespace photon::reference {

/// parameters: parameter_elements(spec) values in parameter_list order.
std::unique_ptr<TrainableModel> make_trainable(const ModelSpec& spec, std::span<const float> parameters);

}  // namespace photon::reference
