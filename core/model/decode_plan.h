// SPDX-License-Identifier: Apache-2.0
// How a request is decoded (PHOTON, section 2 and appendix A): every fact that follows from a spec and from
// the way of generating, decided once for the cost model and all back ends. core/model/decode_walk.h makes an
// order of work of it.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model/generation.h"
#include "core/model/model_spec.h"

namespace photon {

/// Of chunker, encoder, converter and decoder l; level 0 is that of tokens, and of vanilla's stack.
struct LevelPlan {
  int64_t chunk = 1;                    ///< C_l, units of level l-1 in one of level l
  int64_t units = 1;                    ///< of level l in a meta-context
  int64_t together = 1;                 ///< of these, that are decoded and encoded in one go
  bool cached = true;                   ///< encoder l takes what is made, behind a growing cache
  bool reads_observed = true;           ///< chunker l reads X^(l-1) of what is made, not Xhat^(l-1)
  Feedback feedback = Feedback::token;  ///< into the windows of decoder l, while text is made
  int64_t prefill_chunks = 0;  ///< last ones of a prompt that decoder l makes again, for their latents
  bool operator==(const LevelPlan&) const = default;
};

struct DecodePlan {
  /// Throws as check_generation. `model` must outlive the plan.
  DecodePlan(const ModelSpec& model, Generation generation, Schedule schedule,
             bool recgen_observes_upward = false, bool recgen_keeps_reading_feedback = false);
  DecodePlan(const ModelSpec& model, const GenerationRequest& request);

  const ModelSpec& spec;
  std::vector<LevelPlan> levels;   ///< 0 .. L
  bool one_after_another = false;  ///< chunks wait for the encoder states of those before them (`causal`)
  bool tokens_last = false;  ///< nothing waits for a token: the head runs once, on all of them (`hatted`)
  int lowest_decoder = 1;    ///< that runs in each meta-context; lower ones once, on all of the answer
  int lowest_encoder = 1;    ///< of those that take a whole meta-context at once

  /// Of one model: the same facts, and so the same walk.
  bool operator==(const DecodePlan& other) const {
    return levels == other.levels && one_after_another == other.one_after_another &&
           tokens_last == other.tokens_last && lowest_decoder == other.lowest_decoder &&
           lowest_encoder == other.lowest_encoder;
  }

  int depth() const { return spec.depth(); }
  const LevelPlan& level(int l) const { return levels.at(l); }
  /// Whole ones of a prompt: what prefill takes. The rest of the prompt is forced into the first one made.
  int64_t prefilled_meta_contexts(int64_t prompt) const { return prompt / spec.meta_context(); }
  /// That a row of so many tokens in and out goes through behind them.
  int64_t new_meta_contexts(int64_t prompt, int64_t new_tokens) const;
  /// Of a prompt's units of level l, the first that stays cached behind prefill.
  int64_t first_kept(int l, int64_t prompt_units) const;
};

/// Throws Error on a way of generating that the model does not have; `ablated`: with one of recgen's
/// switches.
void check_generation(const ModelSpec& spec, Generation generation, Schedule schedule, bool ablated = false);
/// Throws Error on a request that this model cannot serve on any device.
void check_request(const ModelSpec& spec, const GenerationRequest& request);

}  // namespace photon
