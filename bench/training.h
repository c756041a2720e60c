// SPDX-License-Identifier: Apache-2.0
// How fast a training step is beside the matrix rate of the same machine, measured in the same process.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "bench/row.h"
#include "bench/sampling.h"
#include "core/backend/backend.h"

namespace photon::bench {

struct TrainingCase {
  ModelSpec spec;
  std::string checkpoint = {};  ///< folder of the weights; empty for fresh ones
  int64_t rows = 8;
  int64_t length = 512;  ///< tokens in a row, a multiple of the meta-context
  LossConfig loss = {};
  Recompute recompute = Recompute::none;
  uint64_t seed = 0;
};

/// "photon-600m training B=32 T=2048", and what is computed again, where anything is.
std::string describe(const TrainingCase& c);

/// One step is what the trainer does for one batch: gradients, their norm, AdamW, until the device is done.
/// Medians over samples.
struct TrainingResult {
  double step_seconds = 0.0;
  double gradient_seconds = 0.0;   ///< of it: forward and backward
  double optimizer_seconds = 0.0;  ///< of it: norm and update
  int64_t samples = 0;
  double spread = 0.0;    ///< (max - min) / median of the step
  std::string stop_text;  ///< the `stop` column
  int64_t dropped = 0;    ///< steps left out because the device was held back
  double tokens_per_second = 0.0;
  double flops = 0.0;  ///< of a step, 3 x forward
  Ceilings ceilings;   ///< the larger of those measured before and after
  double mfu = 0.0;    ///< flops / step_seconds / matrix rate
  std::optional<TrainingPlan> plan;
  double clock_before_mhz = 0.0;  ///< 0 where it cannot be told
  double clock_after_mhz = 0.0;
  std::string held_back_by;  ///< in one of the samples, as Backend says it
};

/// Uniformly random tokens.
TokenBatch random_tokens(const ModelSpec& spec, int64_t rows, int64_t length, uint64_t seed);

inline constexpr int64_t largest_training_rows = int64_t{1} << 16;
/// The most rows that a step's plan finds room for in `available` bytes, at most largest_training_rows; 0:
/// not one. Throws Error where the back end cannot foresee its memory.
int64_t most_training_rows(const Backend& backend, const TrainingCase& c, int64_t available);
/// The same in what the back end's own plan takes for available; throws DoesNotFit if that is not one row.
int64_t most_training_rows(const Backend& backend, const TrainingCase& c);

/// Random tokens. Ceilings are measured before the model is there and after it is gone. Empty if interrupted.
/// Throws DoesNotFit by plan; Error on a length that does not divide by the meta-context, and if the loss is
/// not finite: a step on nonsense may be faster than a real one.
std::optional<TrainingResult> measure_training(Backend& backend, const TrainingCase& c,
                                               std::span<const float> parameters, const SamplingRule& rule,
                                               const Interrupted& interrupted);

/// Of kind "training"; every column but those of set_identity.
void fill_row(ResultRow& row, const TrainingCase& c, const std::string& backend_name, const Backend& backend,
              const TrainingResult& result);

/// In a sentence: tokens/s, share of the matrix rate, how the samples ended.
std::string outcome(const TrainingResult& result);

}  // namespace photon::bench
