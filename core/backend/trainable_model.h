// SPDX-License-Identifier: Apache-2.0
// The first of the two interfaces that every back end implements: a model that can be trained.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/cost/launch.h"
#include "core/model/model_spec.h"
#include "core/model/token_batch.h"

namespace photon {

enum class Distance { cosine, squared };

/// L = token + alpha · rec + beta · context (docs/architecture.md, "The model").
struct LossConfig {
  double alpha = 0.0;
  double beta = 0.0;
  Distance distance = Distance::cosine;
  bool detach_targets = true;  ///< no gradient through the encoder states that L_rec and L_context aim at
  auto operator<=>(const LossConfig&) const = default;
};

struct Losses {
  double token = 0.0;    ///< cross-entropy in nats, mean over tokens 2..T of each row
  double rec = 0.0;      ///< unweighted; 0 if L < 2
  double context = 0.0;  ///< unweighted; 0 if L < 1
  double total(const LossConfig& c) const { return token + c.alpha * rec + c.beta * context; }
};

/// One AdamW update (Loshchilov & Hutter 2019) with bias correction; `step` counts from 1.
struct AdamWStep {
  int64_t step = 1;
  double learning_rate = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;    ///< on parameters whose ParameterInfo says `decay`
  double gradient_scale = 1.0;  ///< multiplies every gradient first: clipping
};

/// What a training step computes again in backward instead of keeping it from forward, to fit in memory.
enum class Recompute {
  none,
  inner,  ///< of a layer its norms and its feed-forward network; queries, keys, values and results are kept
  layer,  ///< all but the input of a layer
};

std::string_view to_string(Recompute recompute);
Recompute parse_recompute(std::string_view name);  ///< throws UsageError with the names there are

/// A model in training. Flat arrays follow parameter_list(spec()); on the host they are float32.
class TrainableModel {
 public:
  virtual ~TrainableModel() = default;
  virtual const ModelSpec& spec() const = 0;

  /// Adds weight · dL/dparameter of this batch to the gradients. `batch.length` must divide by the
  /// meta-context.
  virtual Losses accumulate_gradients(const TokenBatch& batch, const LossConfig& config, double weight) = 0;
  /// Says which batch accumulate_gradients will be given next, so that what it needs of the host is ready by
  /// then. May be called from another thread while the model works, by one at a time.
  virtual void prefetch(const TokenBatch&) {}
  /// The same losses without gradients.
  virtual Losses evaluate(const TokenBatch& batch, const LossConfig& config) = 0;
  /// Euclidean norm over the gradients of all trained parameters, summed in double in a fixed order.
  virtual double gradient_norm() = 0;
  /// Updates the trained parameters and their moments, then clears the gradients.
  virtual void adamw_step(const AdamWStep& step) = 0;
  /// Returns once all that was asked for is done: a device may still be at it when the others return.
  virtual void wait() {}
  /// One step (gradients of this batch, their norm, `step`) between profiler start and stop, launch by launch
  /// where a step replays graphs, after checking that the kernels are the graphs' own; everything in a range
  /// named `label`, which holds neither '/' nor ':'. Throws Error if they are not, and on a device without
  /// kernels.
  virtual std::vector<Launch> profile(const TokenBatch& batch, const LossConfig& config,
                                      const AdamWStep& step, const std::string& label);

  virtual void read_parameters(std::span<float> out) const = 0;
  virtual void write_parameters(std::span<const float> in) = 0;
  virtual void read_moments(std::span<float> first, std::span<float> second) const = 0;
  virtual void write_moments(std::span<const float> first, std::span<const float> second) = 0;
};

}  // namespace photon
