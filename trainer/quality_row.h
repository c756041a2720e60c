// SPDX-License-Identifier: Apache-2.0
// A row of results about the quality of a checkpoint (docs/numbers.md): what it was given in training
// stands beside how well it predicts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/backend/backend.h"
#include "core/results/results.h"
#include "trainer/evaluate.h"
#include "trainer/run_state.h"

namespace photon::trainer {

struct ScoredCheckpoint {
  std::filesystem::path checkpoint;
  std::optional<RunState> training;  ///< of that checkpoint, where it was trained here
  std::string corpus;                ///< the text that was scored
  DType dtype = DType::float32;
  Generation generation = Generation::hiergen;
  std::optional<Schedule> schedule;  ///< of recgen
  std::optional<int64_t> prompt;     ///< tokens of each window before the scored ones, where a prompt was set
  int64_t context = 0;
  Score score;
};

/// Of kind "eval"; identity and back end are the caller's to fill.
ResultRow quality_row(const ModelSpec& spec, const ScoredCheckpoint& quality);

}  // namespace photon::trainer
