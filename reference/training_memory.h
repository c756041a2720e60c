// SPDX-License-Identifier: Apache-2.0
// What a training step of the reference holds in memory, foreseen from the spec: the matrices of Trainable,
// Model and StackTape (reference/trainable.cpp, model.h, stack_tape.h, layer.h) in float, counted by their
// shapes.
#pragma once

#include <cstdint>

#include "core/backend/backend.h"

namespace photon::reference {

/// On micro-batches of so many sequences of `length` tokens, at the largest moment: a step in backward, or a
/// checkpoint being copied out behind it. `available` is left 0.
TrainingPlan plan_training(const ModelSpec& spec, int64_t sequences, int64_t length);

}  // namespace photon::reference
