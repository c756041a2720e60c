// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/generation/generation_plan.h"

#include <algorithm>
#include <map>

#include "cuda_impl/kernels/decode_attention.h"
#include "cuda_impl/model/stack.h"

namespace photon::PHOTON_GPU {
namespace {

CachePlan plan_cache(const DecodePlan& decode, const GenerationPlan& plan, const GenerationRequest& request,
                     int l, int multiprocessors) {
  const LevelPlan& level = decode.level(l);
  const Visibility visibility = decode.spec.visibility(l);
  CachePlan out;
  out.kept = level.cached;
  if (!out.kept) return out;
  int64_t longest = 0;
  int64_t kept = 0;
  for (const auto& prompt : request.prompts) {
    const int64_t units = decode.prefilled_meta_contexts(std::ssize(prompt)) * level.units;
    longest = std::max(longest, units);
    kept = std::max(kept, units - decode.first_kept(l, units));
  }
  const bool shared = plan.samples > 1;
  const int64_t made = plan.answer * level.units;
  const int64_t own = shared ? made : longest + made;
  out.step_units = static_cast<int32_t>(level.together);
  out.shared_units = shared ? kept : 0;
  out.own_units = own;
  out.ring = visibility.window.kind != EncoderWindow::Kind::unbounded;
  if (visibility.window.kind == EncoderWindow::Kind::units) {
    // A step writes its units before they are attended to: none may take the place of one still visible.
    out.own_units = std::min(own, visibility.window.units + out.step_units - 1);
  } else if (visibility.window.kind == EncoderWindow::Kind::block) {
    out.own_units = visibility.block;
  }
  out.own_units = std::max<int64_t>(out.own_units, 1);
  const AttentionShape shape = attention_shape(decode.spec.shape(l));
  out.splits = decode_attention_splits(shape, plan.rows, out.own_units, multiprocessors);
  if (out.shared_units > 0) {
    out.shared_splits = shared_prefix_splits(shape, plan.prompts, out.shared_units, multiprocessors);
  }
  return out;
}

}  // namespace

GenerationPlan plan_generation(const DecodePlan& decode, const GenerationRequest& request,
                               const EngineLimits& limits) {
  const ModelSpec& spec = decode.spec;
  const int64_t meta = spec.meta_context();
  GenerationPlan plan;
  plan.prompts = std::ssize(request.prompts);
  plan.samples = request.samples;
  plan.rows = plan.prompts * plan.samples;
  std::map<int64_t, int64_t> prompts_by_length;  // in whole meta-contexts
  int64_t last_begin = 0;
  for (const auto& prompt : request.prompts) {
    const int64_t whole = decode.prefilled_meta_contexts(std::ssize(prompt));
    ++prompts_by_length[whole];
    last_begin = std::max(last_begin, whole * meta);
    plan.answer = std::max(plan.answer, decode.new_meta_contexts(std::ssize(prompt), request.new_tokens));
  }
  plan.capacity = last_begin + (plan.answer + 1) * meta + 1;
  for (const auto& forced : request.forced) {
    plan.capacity = std::max(plan.capacity, last_begin + meta + std::ssize(forced) + 1);
  }
  for (const auto& [length, count] : prompts_by_length) {
    if (length == 0) continue;
    const int64_t together = std::clamp<int64_t>(limits.prefill_tokens / (length * meta), 1, count);
    plan.pass_prompts = std::max(plan.pass_prompts, together);
    plan.pass_tokens = std::max(plan.pass_tokens, together * length * meta);
  }
  int64_t states = plan.rows;  // that the head serves at a time
  if (spec.depth() > 0) {
    const LevelSpec& level = spec.level(1);
    const int64_t a_row = decode.level(1).together;
    int64_t chunks = plan.rows * a_row;
    if (decode.lowest_decoder > 1) {
      const int64_t pass_rows_a_row = std::max<int64_t>(1, plan.answer * a_row * level.prefix);
      plan.slice_rows = std::clamp<int64_t>(limits.pass_rows / pass_rows_a_row, 1, plan.rows);
      chunks = plan.slice_rows * plan.answer * a_row;
    }
    states = decode.tokens_last ? chunks * level.chunk : chunks;
  }
  states = std::max({states, plan.pass_prompts, int64_t{1}});
  const int64_t logits_row = spec.vocab * static_cast<int64_t>(sizeof(float));
  plan.head_rows = std::clamp<int64_t>(limits.logits_bytes / logits_row, 1, states);
  plan.positions = 1;
  plan.caches.resize(spec.first_encoder(), {.kept = false});
  for (int l = spec.first_encoder(); l <= spec.depth(); ++l) {
    plan.caches.push_back(plan_cache(decode, plan, request, l, limits.multiprocessors));
    plan.positions = std::max(plan.positions, plan.capacity / spec.cumulative_chunk(l) + 1);
    if (l > 0) plan.positions = std::max(plan.positions, spec.level(l).prefix + spec.level(l).chunk);
  }
  return plan;
}

}  // namespace photon::PHOTON_GPU
