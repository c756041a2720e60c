// SPDX-License-Identifier: Apache-2.0
// The AdamW rule (Loshchilov & Hutter 2019) over host arrays, and the gradient norm that clipping needs: the
// one place of both on the CPU. Work is cut into fixed blocks of elements, so that results are the same bits
// whatever the number of threads.
#pragma once

#include <span>

#include "core/backend/trainable_model.h"
#include "core/model/parameters.h"

namespace photon {

/// What the rule multiplies by in one step, in the float that it computes in.
struct AdamWFactors {
  float beta1 = 0.0f;
  float beta2 = 0.0f;
  float new1 = 0.0f;             ///< 1 - beta1
  float new2 = 0.0f;             ///< 1 - beta2
  float rate = 0.0f;             ///< learning rate with the first moment's correction
  float root_correction = 0.0f;  ///< of the second moment's root
  float epsilon = 0.0f;
  float scale = 0.0f;   ///< of gradients
  float shrink = 0.0f;  ///< of parameters with decay
};
AdamWFactors adamw_factors(const AdamWStep& step);

/// One update in place; all spans are flat float32 arrays of `list`. Parameters that are not trained, and
/// their moments, stay as they are. Decay is decoupled: p <- p (1 - rate · decay) - rate · m^ / (sqrt(v^) +
/// epsilon).
void adamw_update(std::span<const ParameterInfo> list, const AdamWStep& step, std::span<float> parameters,
                  std::span<const float> gradients, std::span<float> first, std::span<float> second);

/// Euclidean norm over the gradients of the trained parameters, summed in double.
double gradient_norm(std::span<const ParameterInfo> list, std::span<const float> gradients);

}  // namespace photon
