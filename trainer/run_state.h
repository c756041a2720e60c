// SPDX-License-Identifier: Apache-2.0
// A training run on disk: the checkpoint folder (docs/architecture.md, "Names on disk") with the optimizer's
// moments and the run's state, which appear together or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/model/checkpoint.h"
#include "trainer/loss_spike.h"

namespace photon::trainer {

struct RunState {
  int64_t step = 0;    ///< updates made
  int64_t steps = 0;   ///< of the whole run
  int64_t tokens = 0;  ///< seen
  double flops = 0.0;  ///< of training, by the cost model
  LossSpike spike = {};
  /// What fixes every bit of the run, by config key; a run resumes only under the same.
  std::map<std::string, std::string> identity = {};

  bool finished() const { return step >= steps; }
};

struct TrainingCheckpoint {
  Checkpoint model;
  RunState state;
  std::vector<float> first;  ///< moments; empty where those of a finished run were removed
  std::vector<float> second;
};

/// Replaces `folder`. Throws Error, and leaves what was there, on a weight or moment that is not finite.
void save_run(const std::filesystem::path& folder, const TrainingCheckpoint& checkpoint,
              const std::filesystem::path& tokenizer);

/// Throws Error on a checkpoint that does not hold a run, or not a whole one.
TrainingCheckpoint load_run(const std::filesystem::path& folder);

/// state.json alone; nothing if the checkpoint was not trained here.
std::optional<RunState> load_run_state(const std::filesystem::path& folder);

}  // namespace photon::trainer
