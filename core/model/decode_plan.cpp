// SPDX-License-Identifier: Apache-2.0
#include "core/model/decode_plan.h"

#include <fmt/format.h>

#include <cmath>

#include "core/base/error.h"

namespace photon {
namespace {

int64_t up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

[[noreturn]] void refuse(const ModelSpec& spec, const std::string& why) {
  throw Error(fmt::format("model '{}': {}", spec.name, why));
}

}  // namespace

DecodePlan::DecodePlan(const ModelSpec& model, Generation generation, Schedule schedule,
                       bool recgen_observes_upward, bool recgen_keeps_reading_feedback)
    : spec(model), levels(static_cast<size_t>(model.depth()) + 1) {
  check_generation(model, generation, schedule, recgen_observes_upward || recgen_keeps_reading_feedback);
  const bool recgen = generation == Generation::recgen;
  const bool observes_upward = !recgen || recgen_observes_upward;
  const bool observes_feedback = !recgen || recgen_keeps_reading_feedback;
  one_after_another = depth() >= 2 && observes_feedback && spec.feedback(depth()) == Feedback::observed;
  tokens_last = depth() >= 1 && spec.feedback(1) != Feedback::token;
  lowest_decoder = schedule == Schedule::unrolled ? depth() : 1;
  lowest_encoder = observes_upward ? 1 : depth();
  levels[0].units = spec.meta_context();
  for (int l = 1; l <= depth(); ++l) {
    LevelPlan& level = levels[l];
    level.chunk = spec.level(l).chunk;
    level.units = spec.units_per_meta_context(l);
    level.together = one_after_another ? 1 : level.units;
    level.cached = l == depth() || observes_upward || one_after_another;
    level.reads_observed = l < depth() || observes_upward;
    level.feedback = spec.feedback(l);
    if (level.feedback == Feedback::observed && !observes_feedback) level.feedback = Feedback::reconstructed;
    if (l == 1) continue;
    // The first new chunk of level l-1 is conditioned on so many latents before it, and those that are made
    // again on as many before them.
    const bool previous = spec.conditioning(l - 1) == Conditioning::previous;
    const int64_t back = spec.level(l - 1).converter_context - 1 + (previous ? 1 : 0);
    level.prefill_chunks = up(this->level(l - 1).prefill_chunks + back, level.chunk);
  }
}

DecodePlan::DecodePlan(const ModelSpec& model, const GenerationRequest& request)
    : DecodePlan(model, request.generation, request.schedule, request.recgen_observes_upward,
                 request.recgen_keeps_reading_feedback) {}

int64_t DecodePlan::new_meta_contexts(int64_t prompt, int64_t new_tokens) const {
  return up(prompt % spec.meta_context() + new_tokens, spec.meta_context());
}

int64_t DecodePlan::first_kept(int l, int64_t prompt_units) const {
  return level(l).cached ? spec.visibility(l).first_kept(prompt_units) : prompt_units;
}

void check_generation(const ModelSpec& spec, Generation generation, Schedule schedule, bool ablated) {
  const bool recgen = generation == Generation::recgen;
  const bool unrolled = schedule == Schedule::unrolled;
  if (recgen && spec.depth() < 2) {
    refuse(spec, fmt::format("recgen needs two levels or more, this model has {}", spec.depth()));
  }
  if (unrolled && !recgen) {
    refuse(spec, "the unrolled schedule exists for recgen alone: hiergen's latents depend on the tokens");
  }
  if (ablated && (!recgen || unrolled)) {
    refuse(spec, "the two switches of recgen need recgen on the streamed schedule");
  }
}

void check_request(const ModelSpec& spec, const GenerationRequest& request) {
  constexpr int64_t most_new = int64_t{1} << 24;
  if (request.prompts.empty()) refuse(spec, "no prompt to continue");
  if (request.samples < 1) refuse(spec, fmt::format("{} samples of a prompt; at least 1", request.samples));
  if (request.new_tokens < 0 || request.new_tokens > most_new) {
    refuse(spec, fmt::format("{} new tokens; 0 to {} are allowed", request.new_tokens, most_new));
  }
  check_generation(spec, request.generation, request.schedule,
                   request.recgen_observes_upward || request.recgen_keeps_reading_feedback);
  const Sampling& s = request.sampling;
  if (!(s.temperature >= 0.0) || !std::isfinite(s.temperature)) refuse(spec, "temperature must be 0 or more");
  if (!(s.top_p > 0.0 && s.top_p <= 1.0)) refuse(spec, "top_p must lie in (0, 1]");
  if (s.top_k < 0) refuse(spec, "top_k must be 0 (no limit) or more");
  const auto check_ids = [&](const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) {
      if (id < 0 || id >= spec.vocab) {
        refuse(spec, fmt::format("token id {} is outside the vocabulary of {}", id, spec.vocab));
      }
    }
  };
  for (const auto& prompt : request.prompts) {
    check_ids(prompt);
    if (spec.target_shift() > std::ssize(prompt)) {
      refuse(spec, "a vanilla model cannot predict a first token: give it a prompt");
    }
  }
  for (const auto& forced : request.forced) check_ids(forced);
  const size_t rows = request.prompts.size() * static_cast<size_t>(request.samples);
  if (!request.forced.empty() && request.forced.size() != rows) {
    refuse(spec, fmt::format("{} forced continuations for {} rows", request.forced.size(), rows));
  }
}

}  // namespace photon
