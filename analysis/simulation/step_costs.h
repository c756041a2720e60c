// SPDX-License-Identifier: Apache-2.0
// What a replica asks about its steps. The queue knows no model: it runs on the traffic model's times
// (model_costs.h) as on the service times of queueing theory, which is how it is tested. A unit is what one
// decode step adds to a row: a meta-context, of a vanilla model a token.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/simulation/request.h"

namespace photon::analysis::simulation {

/// What a request will take of a replica: some prefill, some decode steps, or both.
struct ServicePlan {
  int64_t prompt_units = 0;    ///< whole ones, which prefill encodes
  int64_t shared_units = 0;    ///< of them, at the beginning: there already
  int64_t decode_steps = 0;    ///< after the prefill
  int64_t silent_steps = 0;    ///< of them, at the end: work that puts out nothing more
  bool prefill_emits = false;  ///< the first token comes with the end of the prefill
  double held_bytes = 0.0;     ///< of cache, from admission to the end: a whole number
  double prefill_bytes = 0.0;  ///< as long as it is prefilled; at least held_bytes
};

/// Prompt units [from, to) of one request, encoded in one step.
struct PrefillPiece {
  int64_t from = 0;
  int64_t to = 0;
  bool last = false;  ///< ends the prompt
};

/// One request in a decode step, all of its samples.
struct DecodeRow {
  int64_t shared = 0;  ///< units of the prefix that all requests share
  int64_t start = 0;   ///< first unit of the answer: those before are shared by the samples
  int64_t unit = 0;    ///< the one to be made
};

class StepCosts {
 public:
  virtual ~StepCosts() = default;
  virtual ServicePlan plan(const Request& request) const = 0;
  /// Seconds of one step, finite and not negative: some prefill, one unit more of every row, or both.
  virtual double step_seconds(std::span<const PrefillPiece> prefill, std::span<const DecodeRow> rows) = 0;
};

}  // namespace photon::analysis::simulation
