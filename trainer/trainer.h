// SPDX-License-Identifier: Apache-2.0
// The training loop, the same for every architecture and back end: accumulation over micro-batches, clipping,
// AdamW, validation on fixed batches, metrics, checkpoints, and a stop at any moment that loses nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/backend/backend.h"
#include "core/base/error.h"
#include "trainer/config.h"

namespace photon::trainer {

struct TrainResult {
  std::filesystem::path checkpoint;
  int64_t step = 0;                  ///< updates made, earlier runs included
  int64_t steps = 0;                 ///< of the whole run
  int64_t tokens = 0;                ///< seen
  double flops = 0.0;                ///< of training, by the cost model
  std::optional<Losses> validation;  ///< the last one made by this call
  bool finished = false;             ///< false: Ctrl-C; `resume` goes on
};

/// A training whose loss or gradient is not a number any more: a fact about its settings, not about this
/// machine.
class Diverged : public Error {
 public:
  using Error::Error;
};

/// Runs `config`, writing into config.out: checkpoint/, metrics.csv, train.toml (the resolved config). With
/// `resume` it goes on from the checkpoint there (from the start if there is none yet) as if it had never
/// stopped, bit for bit. Progress and warnings go to standard error. Throws Error if the folder holds a run
/// and `resume` is false, or one of another config; on a trained matrix that is all zero. Throws Diverged on
/// a loss or gradient that is not finite (the last checkpoint stays).
TrainResult train(const TrainConfig& config, Backend& backend, bool resume);

}  // namespace photon::trainer
