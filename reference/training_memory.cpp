// SPDX-License-Identifier: Apache-2.0
#include "reference/training_memory.h"

#include <algorithm>

#include "core/model/parameters.h"

namespace photon::reference {
namespace {

// In double: absurd sizes must be refused, not overflow.
constexpr double value_bytes = sizeof(float);
constexpr double most_bytes = 0x1p60;
constexpr double small_things =
    0x1p18;  // values: rotations of the positions, segments, what the allocator takes

int64_t bytes(double values) {
  return static_cast<int64_t>(std::min(values * value_bytes, most_bytes));
}

double number(int64_t n) {
  return static_cast<double>(n);
}

/// Values that a stack keeps of every row: LayerTape and d_qkv of each layer; last, output and the positions,
/// which are twice as wide as a value.
double kept_per_row(const StackShape& s, int64_t layers) {
  const double width = number(s.width);
  const double qkv = width + 2.0 * number(s.kv_width());
  return number(layers) * (5.0 * width + 2.0 * qkv + 3.0 * number(s.ffn)) + 2.0 * width + 2.0;
}

/// LayerBackwardScratch and d_last.
double scratch_per_row(const StackShape& s) {
  return 3.0 * number(s.width) + 3.0 * number(s.ffn);
}

}  // namespace

TrainingPlan plan_training(const ModelSpec& spec, int64_t sequences, int64_t length) {
  const double tokens = number(sequences) * number(length);
  const auto units = [&](int l) { return tokens / number(spec.cumulative_chunk(l)); };
  double kept = 0.0;
  double scratch = 0.0;
  double largest_temporary = 0.0;
  const auto add_stack = [&](const StackShape& shape, int64_t layers, double rows) {
    kept += rows * kept_per_row(shape, layers);
    scratch += rows * scratch_per_row(shape);
  };

  const double width = number(spec.base.width);
  kept += 2.0 * tokens * width;  // token embeddings and their gradient
  if (spec.depth() == 0) {
    add_stack(spec.base, spec.layers, tokens);
    kept += 2.0 * tokens * width;  // Xhat^(0) and its gradient
  } else {
    kept += 2.0 * tokens * number(spec.embedding_width());  // X^(0), and its gradient for a moment
  }
  for (int l = 1; l <= spec.depth(); ++l) {
    const LevelSpec& s = spec.level(l);
    const double d = number(s.shape.width);
    const double below = number(spec.shape(l - 1).width);
    const double window_rows = units(l) * number(s.prefix + s.chunk - 1);
    add_stack(s.shape, s.encoder_layers, units(l));
    add_stack(spec.shape(l - 1), s.decoder_layers, window_rows);
    if (l >= 2) kept += units(l - 1) * below;                       // chunk_normed
    kept += units(l) * (4.0 * d + 2.0 * number(s.prefix) * below);  // A, X and prefix with their gradients
    kept += units(l) * number(s.converter_context) * d;             // conditioning
    kept += window_rows * below + 2.0 * units(l - 1) * below;       // window, Xhat^(l-1) and its gradient
    largest_temporary = std::max({largest_temporary, window_rows * below, units(l - 1) * below,
                                  units(l) * number(s.converter_context) * d});
  }
  // scratch_ and part_input_ of the model, and what a level's backward holds beside them.
  scratch += 3.0 * largest_temporary;
  constexpr double logit_rows = 512;  // HeadLoss
  scratch += logit_rows * number(spec.vocab);
  scratch += 4.0 * tokens;  // ids of two batches, targets
  scratch += small_things;

  const double elements = number(parameter_elements(spec));
  TrainingPlan plan;
  plan.weights = bytes(elements);
  plan.gradients = bytes(elements);
  plan.moments = bytes(2.0 * elements);
  plan.activations = bytes(kept);
  plan.workspace = bytes(scratch + 3.0 * elements);  // weights and moments on their way to a checkpoint
  return plan;
}

}  // namespace photon::reference
