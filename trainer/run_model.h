// SPDX-License-Identifier: Apache-2.0
// The model of a training run: which spec it has, what its vocabulary is, and where its first weights come
// from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "core/model/model_spec.h"
#include "trainer/config.h"

namespace photon::trainer {

struct RunModel {
  ModelSpec spec;
  std::filesystem::path checkpoint;  ///< of the first weights; empty: fresh ones
};

/// A spec whose vocabulary is smaller than that of the corpus gets the corpus's, unless model_set names one;
/// what was done is said on standard error. Throws Error where the corpus's tokens are not the model's, and
/// UsageError for model_set beside a checkpoint, whose weights have one shape.
RunModel run_model(const TrainConfig& config);

/// The spec of config.match_model, with the vocabulary as the same rule makes it.
ModelSpec matched_spec(const TrainConfig& config);

/// parameter_list order: of the checkpoint, or fresh ones of `seed`.
std::vector<float> first_parameters(const RunModel& model, uint64_t seed);

}  // namespace photon::trainer
