// How fast a training step is beside the matrix rate of the same machine, measured in the same process.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "bench/sampling.h"
#include "core/backend.h"

namespace photon::bench {

struct TrainingCase {
  ModelSpec spec;
  int64_t rows = 8;
  int64_t length = 512;  ///< tokens in a row, a multiple of the meta-context
  LossConfig loss = {};
  Recompute recompute = Recompute::none;
  uint64_t seed = 0;
};

/// One step is what the trainer does for one batch: gradients, their norm, AdamW. Medians over samples.
struct TrainingResult {
  double step_seconds = 0.0;
  double gradient_seconds = 0.0;   ///< of it: forward and backward
  double optimizer_seconds = 0.0;  ///< of it: norm and update
  int64_t samples = 0;
  double spread = 0.0;  ///< (max - min) / median of the step
  Stop stop = Stop::steady;
  double tokens_per_second = 0.0;
  double flops = 0.0;        ///< of a step, 3 x forward
  double matrix_rate = 0.0;  ///< FLOP/s, the larger of the rates measured before and after
  double mfu = 0.0;          ///< flops / step_seconds / matrix_rate
};

/// Uniformly random tokens.
TokenBatch random_tokens(const ModelSpec& spec, int64_t rows, int64_t length, uint64_t seed);

/// The most rows that a step's plan finds room for in `available` bytes, at most largest_training_rows; 0:
/// not one. Throws Error where the back end cannot foresee its memory.
inline constexpr int64_t largest_training_rows = int64_t{1} << 16;
int64_t most_training_rows(const Backend& backend, const TrainingCase& c, int64_t available);

/// Random tokens. Empty if interrupted. Throws Error on a length that does not divide by the meta-context,
/// and if the loss is not finite: a step on nonsense may be faster than a real one.
std::optional<TrainingResult> measure_training(Backend& backend, const TrainingCase& c,
                                               std::span<const float> parameters, const SamplingRule& rule,
                                               const Interrupted& interrupted);

}  // namespace photon::bench
