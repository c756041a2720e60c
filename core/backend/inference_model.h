// SPDX-License-Identifier: Apache-2.0
// The second of the two interfaces that every back end implements: a model that can be run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cost/launch.h"
#include "core/cost/memory_plan.h"
#include "core/model/dtype.h"
#include "core/model/generation.h"
#include "core/model/model_spec.h"
#include "core/model/token_batch.h"

namespace photon {

/// One named output of a forward pass, (B, rows, width) in row-major double.
struct NamedTensor {
  std::string name;  ///< "logits", "x.l", "xhat.l"
  std::vector<int64_t> shape;
  std::vector<double> values;
};

/// A model that is run.
class InferenceModel {
 public:
  virtual ~InferenceModel() = default;
  virtual const ModelSpec& spec() const = 0;
  /// Every stream of the teacher-forced forward pass. Throws Error unless the length divides by the
  /// meta-context.
  virtual std::vector<NamedTensor> forward(const TokenBatch& batch) = 0;
  /// log p(token | earlier ones) in double, (sequences, length); a vanilla model cannot predict the first
  /// token: 0 there.
  virtual std::vector<double> token_log_probs(const TokenBatch& batch) = 0;
  virtual GenerationResult generate(const GenerationRequest& request) = 0;
  /// What generate(request) will hold; it throws Error where this does not fit.
  virtual MemoryPlan memory_plan(const GenerationRequest& request) const = 0;
  /// Generates between profiler start and stop, launch by launch where generate() replays graphs, after
  /// checking that the kernels are the graphs' own; everything in a range named `label`, which holds neither
  /// '/' nor ':'. Throws Error if they are not, and on a device without kernels.
  virtual std::vector<Launch> profile(const GenerationRequest& request, const std::string& label);
};

}  // namespace photon
