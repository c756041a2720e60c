// SPDX-License-Identifier: Apache-2.0
// How much of a batch goes through the model at once: planned before the run, where the device can foresee
// its memory.
#pragma once

#include "core/backend/backend.h"
#include "trainer/config.h"

namespace photon::trainer {

/// The config with a micro-batch of its own: 0 becomes the largest divisor of the batch that fits. The plan
/// goes to standard error. Throws Error if what is asked for does not fit, saying what would, and for 0 where
/// nothing can be foreseen.
TrainConfig with_planned_memory(TrainConfig config, const ModelSpec& spec, const Backend& backend);

}  // namespace photon::trainer
