// SPDX-License-Identifier: Apache-2.0
// Whether a back end computes the model at all, asked before its speed is: the same text generated, or the
// same batches trained on, by it and by the reference, by it twice.
#pragma once

#include <cstdint>
#include <span>

#include "core/backend/backend.h"
#include "core/model/generation.h"

namespace photon::bench {

struct Agreement {
  /// Root mean square of the difference in the tokens' log-probabilities, of the reference's own standard
  /// deviation. A back end that ignores the text is near 1.
  double relative_error = 0.0;
  bool repeatable = false;  ///< a second run gave the same bits
};

struct TrainingAgreementCase {
  int64_t rows = 2;
  int64_t length = 0;
  int64_t steps = 1;
  uint64_t seed = 0;
};

struct AgreementCase {
  int64_t rows = 2;
  int64_t prompt = 0;
  int64_t new_tokens = 0;
  Generation generation = Generation::hiergen;
  Schedule schedule = Schedule::streamed;
  uint64_t seed = 0;
};

/// Forces a random text through both. The models have the same spec and parameters. Throws Error if either
/// gives another number of tokens than asked.
Agreement compare(InferenceModel& tested, InferenceModel& reference, const AgreementCase& c);

/// Optimizer steps on random text, from the same parameters. The error is the largest of that of the losses
/// and those of each tensor's first moments after the last step, a mean over the gradients of all steps: root
/// mean squares of the difference, over the reference's own.
Agreement compare_training(Backend& tested, Backend& reference, const ModelSpec& spec,
                           std::span<const float> parameters, const TrainingAgreementCase& c);

}  // namespace photon::bench
