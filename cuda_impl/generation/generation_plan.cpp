#include "cuda_impl/generation/generation_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "cuda_impl/kernels/decode_attention.h"
#include "cuda_impl/runtime/stack.h"

namespace photon::PHOTON_GPU {
namespace {

int64_t up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// Units of level l (0: vanilla's) in one meta-context.
int64_t units_of(const ModelSpec& spec, int l) {
  return l == 0 ? 1 : spec.units_per_meta_context(l);
}

EncoderWindow window_of(const ModelSpec& spec, int l) {
  return l == 0 ? EncoderWindow{} : spec.level(l).encoder_window;
}

CachePlan plan_cache(const ModelSpec& spec, const GenerationMode& mode, const GenerationPlan& plan,
                     const std::vector<int64_t>& prompt_lengths, int l, int multiprocessors) {
  CachePlan out;
  out.kept = l == spec.depth() || mode.observes_upward || mode.one_after_another(spec);
  if (!out.kept) return out;
  int64_t longest = 0;
  int64_t kept = 0;
  for (const int64_t length : prompt_lengths) {
    const int64_t units = length / spec.meta_context() * units_of(spec, l);
    longest = std::max(longest, units);
    kept = std::max(kept, units - first_kept(spec, l, true, units));
  }
  const bool shared = plan.samples > 1;
  const int64_t made = plan.answer * units_of(spec, l);
  const int64_t own = shared ? made : longest + made;
  const EncoderWindow window = window_of(spec, l);
  const bool single = mode.one_after_another(spec) || !mode.observes_upward;
  out.step_units = static_cast<int32_t>(single ? 1 : units_of(spec, l));
  out.shared_units = shared ? kept : 0;
  out.own_units = own;
  out.ring = window.kind != EncoderWindow::Kind::unbounded;
  if (window.kind == EncoderWindow::Kind::units) {
    // A step writes its units before they are attended to: none may take the place of one still visible.
    out.own_units = std::min(own, window.units + out.step_units - 1);
  } else if (window.kind == EncoderWindow::Kind::block) {
    out.own_units = spec.units_per_meta_context(l);
  }
  out.own_units = std::max<int64_t>(out.own_units, 1);
  const AttentionShape shape = attention_shape(spec.shape(l));
  out.splits = decode_attention_splits(shape, plan.rows, out.own_units, multiprocessors);
  if (out.shared_units > 0) {
    out.shared_splits = shared_prefix_splits(shape, plan.prompts, out.shared_units, multiprocessors);
  }
  return out;
}

/// How many of the last chunks of each level prefill decodes again, so that the latents are known on which
/// the first new chunks below the top are conditioned.
std::vector<int64_t> plan_prefill_chunks(const ModelSpec& spec) {
  std::vector<int64_t> chunks(static_cast<size_t>(spec.depth()) + 1, 0);
  for (int l = 1; l < spec.depth(); ++l) {
    const int64_t back =
        spec.level(l).converter_context - 1 + (spec.conditioning(l) == Conditioning::previous ? 1 : 0);
    chunks[static_cast<size_t>(l) + 1] = up(chunks[static_cast<size_t>(l)] + back, spec.level(l + 1).chunk);
  }
  return chunks;
}

}  // namespace

GenerationMode::GenerationMode(const GenerationRequest& r)
    : generation(r.generation),
      schedule(r.schedule),
      observes_upward(r.generation == Generation::hiergen || r.recgen_observes_upward),
      keeps_reading_feedback(r.generation == Generation::hiergen || r.recgen_keeps_reading_feedback) {}

bool GenerationMode::observed_feedback(const ModelSpec& spec, int l) const {
  return keeps_reading_feedback && spec.feedback(l) == Feedback::observed;
}

bool GenerationMode::one_after_another(const ModelSpec& spec) const {
  return spec.depth() >= 2 && observed_feedback(spec, spec.depth());
}

int64_t chunks_a_row(const ModelSpec& spec, const GenerationMode& mode, int l) {
  return mode.one_after_another(spec) ? 1 : spec.units_per_meta_context(l);
}

int64_t first_kept(const ModelSpec& spec, int l, bool kept, int64_t units) {
  if (!kept) return units;
  const EncoderWindow window = window_of(spec, l);
  switch (window.kind) {
    case EncoderWindow::Kind::units:
      return std::max<int64_t>(0, units - window.units);
    case EncoderWindow::Kind::block:
      return units / spec.units_per_meta_context(l) * spec.units_per_meta_context(l);
    case EncoderWindow::Kind::unbounded:
      break;
  }
  return 0;
}

void check_request(const ModelSpec& spec, const GenerationRequest& request) {
  const auto refuse = [&](const std::string& why) {
    throw Error(fmt::format("model '{}': {}", spec.name, why));
  };
  constexpr int64_t most_new = int64_t{1} << 24;
  if (request.prompts.empty()) refuse("no prompt to continue");
  if (request.samples < 1) refuse(fmt::format("{} samples of a prompt; at least 1", request.samples));
  if (request.new_tokens < 0 || request.new_tokens > most_new) {
    refuse(fmt::format("{} new tokens; 0 to {} are allowed", request.new_tokens, most_new));
  }
  if (request.generation == Generation::recgen && spec.depth() < 2) {
    refuse(fmt::format("recgen needs two levels or more, this model has {}", spec.depth()));
  }
  if (request.schedule == Schedule::unrolled && request.generation != Generation::recgen) {
    refuse("the unrolled schedule exists for recgen alone: hiergen's latents depend on the tokens");
  }
  const bool ablated = request.recgen_observes_upward || request.recgen_keeps_reading_feedback;
  if (ablated && (request.generation != Generation::recgen || request.schedule != Schedule::streamed)) {
    refuse("the two switches of recgen need recgen on the streamed schedule");
  }
  const Sampling& s = request.sampling;
  if (!(s.temperature >= 0.0) || !std::isfinite(s.temperature)) refuse("temperature must be 0 or more");
  if (!(s.top_p > 0.0 && s.top_p <= 1.0)) refuse("top_p must lie in (0, 1]");
  if (s.top_k < 0) refuse("top_k must be 0 (no limit) or more");
  const auto check_ids = [&](const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) {
      if (id < 0 || id >= spec.vocab) {
        refuse(fmt::format("token id {} is outside the vocabulary of {}", id, spec.vocab));
      }
    }
  };
  for (const auto& prompt : request.prompts) {
    check_ids(prompt);
    if (spec.depth() == 0 && prompt.empty()) {
      refuse("a vanilla model cannot predict a first token: give it a prompt");
    }
  }
  for (const auto& forced : request.forced) check_ids(forced);
  const size_t rows = request.prompts.size() * static_cast<size_t>(request.samples);
  if (!request.forced.empty() && request.forced.size() != rows) {
    refuse(fmt::format("{} forced continuations for {} rows", request.forced.size(), rows));
  }
}

GenerationPlan plan_generation(const ModelSpec& spec, const GenerationRequest& request,
                               const EngineLimits& limits) {
  const GenerationMode mode(request);
  const int64_t meta = spec.meta_context();
  GenerationPlan plan;
  plan.prompts = std::ssize(request.prompts);
  plan.samples = request.samples;
  plan.rows = plan.prompts * plan.samples;
  std::vector<int64_t> lengths;
  std::map<int64_t, int64_t> prompts_by_length;  // in whole meta-contexts
  int64_t last_begin = 0;
  for (const auto& prompt : request.prompts) {
    const auto length = static_cast<int64_t>(prompt.size());
    lengths.push_back(length);
    ++prompts_by_length[length / meta];
    last_begin = std::max(last_begin, length / meta * meta);
    plan.answer = std::max(plan.answer, up(length % meta + request.new_tokens, meta));
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
  plan.prefill_chunks = plan_prefill_chunks(spec);
  int64_t states = plan.rows;  // that the head serves at a time
  if (spec.depth() > 0) {
    const int64_t a_row = chunks_a_row(spec, mode, 1);
    const bool tokens_fed = spec.feedback(1) == Feedback::token;
    int64_t chunks = plan.rows * a_row;
    if (mode.schedule == Schedule::unrolled) {
      const LevelSpec& level = spec.level(1);
      const int64_t pass_rows_a_row = std::max<int64_t>(1, plan.answer * a_row * level.prefix);
      plan.slice_rows = std::clamp<int64_t>(limits.pass_rows / pass_rows_a_row, 1, plan.rows);
      chunks = plan.slice_rows * plan.answer * a_row;
    }
    states = tokens_fed ? chunks : chunks * spec.level(1).chunk;
  }
  states = std::max({states, plan.pass_prompts, int64_t{1}});
  const int64_t logits_row = spec.vocab * static_cast<int64_t>(sizeof(float));
  plan.head_rows = std::clamp<int64_t>(limits.logits_bytes / logits_row, 1, states);
  plan.positions = 1;
  for (int l = 0; l <= spec.depth(); ++l) {
    if (l == 0 && spec.depth() > 0) {
      plan.caches.emplace_back();
      plan.caches.back().kept = false;
      continue;
    }
    plan.caches.push_back(plan_cache(spec, mode, plan, lengths, l, limits.multiprocessors));
    const int64_t tokens_a_unit = l == 0 ? 1 : spec.cumulative_chunk(l);
    plan.positions = std::max(plan.positions, plan.capacity / tokens_a_unit + 1);
    if (l > 0) plan.positions = std::max(plan.positions, spec.level(l).prefix + spec.level(l).chunk);
  }
  return plan;
}

}  // namespace photon::PHOTON_GPU
