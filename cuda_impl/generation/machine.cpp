// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/generation/machine.h"

#include <stdexcept>

#include "cuda_impl/kernels/copy_rows.h"

namespace photon::PHOTON_GPU {

void Machine::place(const Session& session, GenerationBuffers& buffers) {
  session_ = &session;
  b_ = &buffers;
}

void Machine::take(int64_t first, int64_t sequences) {
  first_ = first;
  sequences_ = sequences;
  current_ = 0;
  x_.assign(static_cast<size_t>(depth()) + 1, {});
  xhat_.assign(static_cast<size_t>(depth()) + 1, {});
}

// One stride leads through the units g of all sequences: those that are held are these, or g is of one unit
// of as many as a step is long.
Machine::Strided Machine::rows_of(const UnitRows& held, const Units& g) const {
  if (held.count != a_sequence(g) * g.step) throw std::logic_error("units are not where they are looked for");
  return {held.at + (g.first - held.first) * held.width, g.step * held.width};
}

TokenRows Machine::token_rows() const {
  TokenRows t = b_->tokens;
  t.tokens += first_ * t.capacity;
  t.log_probs += first_ * t.capacity;
  t.start += first_;
  t.known += first_;
  t.target += first_;
  return t;
}

TokenSlots Machine::slots_of(const Units& tokens) const {
  if (tokens.of == Stretch::prompt) return {.tokens = b_->prompt_ids, .capacity = tokens.count};
  return token_rows().slots(static_cast<int32_t>(tokens.first), static_cast<int32_t>(tokens.step));
}

Latents Machine::latents_of(int l, const UnitRows& held) const {
  return {.latest = held.at,
          .latest_stride = held.count * held.width,
          .rows = sequences_,
          .count = static_cast<int32_t>(held.count),
          .context = static_cast<int32_t>(spec_.level(l).converter_context),
          .width = static_cast<int32_t>(held.width)};
}

void Machine::convert(const Units& g) {
  const LevelSpec& s = spec_.level(g.level);
  LevelBuffers& b = buffers(g.level);
  const bool prompt = g.of == Stretch::prompt;
  const bool previous = spec_.conditioning(g.level) == Conditioning::previous;
  const int64_t wide = s.converter_context * s.shape.width;
  Strided conditioning{b.history + first_ * wide, wide};  // at the top, where X^(L) has joined it
  if (prompt) {
    Latents a = latents_of(g.level, latents(g.level));
    a.start = w_.level(g.level).start;
    const int64_t from = g.first - latents(g.level).first;
    gather_conditioning(stream_, a, previous, static_cast<int32_t>(from), static_cast<int32_t>(g.count),
                        b.conditioning);
    conditioning.at = b.conditioning;
  } else if (g.level < depth() && s.converter_context == 1 && !previous) {
    conditioning = rows_of(xhat(g.level), g);
  } else if (g.level < depth()) {
    Latents a = latents_of(g.level, xhat(g.level));
    a.history = conditioning.at;
    if (one_by_one(g)) {
      const Strided own = rows_of(xhat(g.level), g);
      a.latest = own.at;
      a.latest_stride = own.stride;
      a.count = 1;
    } else {
      gather_conditioning(stream_, a, previous, 0, static_cast<int32_t>(a_sequence(g)), b.conditioning);
      conditioning.at = b.conditioning;
    }
    push_latents(stream_, a);
  }
  multiply_converter(g.level, conditioning, all(g));
  // One by one, Xhat^(l-1) of a unit lies where X^(l-1) of it will, for chunker l.
  xhat(g.level - 1) = {one_by_one(g) ? b.units : b.xhat, g.first * s.chunk, a_sequence(g) * s.chunk,
                       spec_.shape(g.level - 1).width};
}

void Machine::decode(const Units& g, int64_t j) {
  const LevelSpec& s = spec_.level(g.level);
  part_ = j == 0 ? s.prefix : 1;
  run_window(g.level, all(g), static_cast<int32_t>(j == 0 ? 0 : s.prefix + j - 1),
             static_cast<int32_t>(part_));
  if (g.level == 1 && !decode_plan().tokens_last) return;  // the head's product normalises
  const UnitRows& to = xhat(g.level - 1);
  std::optional<Strided> next;
  if (j + 1 < s.chunk && decode_plan().level(g.level).feedback == Feedback::reconstructed)
    next = Strided{next_residual(), to.width};
  norm(w_.level(g.level).decoder, last_rows(to.width), all(g), rows_of(to, unit_of(decode_plan(), g, j)),
       next);
}

void Machine::feed(const Units& g, int64_t j) {
  const Units fed = unit_of(decode_plan(), g, j);
  const int64_t width = spec_.shape(g.level - 1).width;
  const Feedback feedback = decode_plan().level(g.level).feedback;
  if (feedback == Feedback::token) {
    embed_tokens(w_.decoder_embedding, width, slots_of(fed), a_sequence(g), {residual(), width});
    return;
  }
  if (feedback == Feedback::reconstructed || g.of != Stretch::prompt) {
    current_ = 1 - current_;  // the norm of what was decoded or encoded last has put it there
    return;
  }
  const UnitRows& observed = x(fed.level);
  for (int64_t c = 0; c < g.count; ++c) {
    copy_rows(stream_, {.from = observed.at + (fed.first + c * fed.step - observed.first) * width,
                        .from_stride = observed.count * width,
                        .to = residual() + c * width,
                        .to_stride = g.count * width,
                        .groups = sequences_,
                        .width = static_cast<int32_t>(width)});
  }
}

void Machine::sample(const Units& tokens) {
  const int64_t width = spec_.base.width;
  Sample how{.count = static_cast<int32_t>(a_sequence(tokens)),
             .rows = token_rows(),
             .first = static_cast<int32_t>(tokens.first),
             .step = static_cast<int32_t>(tokens.step)};
  if (tokens.of == Stretch::prompt) {
    how.samples = static_cast<int32_t>(session_->plan.samples);
    how.row_of = b_->order + session_->plan.prompts + first_ * session_->plan.samples;
    how.rows = b_->tokens;
    how.first = 0;  // the rows stand where the prompt ends
  }
  if (decode_plan().tokens_last) {
    sample_from({xhat(0).at, width, nullptr}, all(tokens), how);
  } else {
    const Strided states = last_rows(width);
    sample_from({states.at, states.stride, w_.level(1).decoder.norm}, all(tokens), how);
  }
}

void Machine::encode(const Units& g) {
  const bool prompt = g.of == Stretch::prompt;
  const bool vanillas = g.level == 0;
  const StackWeights& w = vanillas ? w_.level(1).decoder : w_.level(g.level).encoder;
  const int64_t width = w.shape.width;
  // Chunk_1 is a concatenation: its tokens' embeddings are what the encoder takes.
  bf16* at = residual();
  if (g.level >= 2) {
    const bool observed = prompt || decode_plan().level(g.level).reads_observed;
    chunk(g.level, (observed ? x(g.level - 1) : xhat(g.level - 1)).at, all(g), at);
  } else if (vanillas) {
    embed_tokens(w_.decoder_embedding, width, slots_of(g), a_sequence(g), {at, width});
  } else {
    const int64_t narrow = spec_.embedding_width();
    if (!prompt) at = buffers(1).units;
    const Units tokens = units_of(decode_plan(), g);
    embed_tokens(w_.encoder_embedding, narrow, slots_of(tokens), a_sequence(tokens), {at, narrow});
  }
  if (prompt) {
    encode_prompts(w, g);
  } else {
    encode_step(w, g, at);
  }
  part_ = g.count;  // of each sequence
  if (vanillas) return;
  // X^(l) goes to the chunker above, into the window above, or joins the memory of latents.
  UnitRows& to = x(g.level);
  std::optional<Strided> next;
  if (prompt) {
    to = {buffers(g.level).prefilled, g.first, g.count, width};
  } else if (g.level == depth()) {
    const bool remembers_one = spec_.level(g.level).converter_context == 1;
    to = {remembers_one ? buffers(g.level).history : next_residual(), g.first, g.count, width};
  } else {
    const LevelPlan& above = decode_plan().level(g.level + 1);
    const int64_t together = one_by_one(g) ? above.chunk : g.count;
    to = {buffers(g.level + 1).units, g.first / together * together, together, width};
    if (one_by_one(g) && g.first + 1 < to.first + to.count) next = Strided{next_residual(), width};
    if (!above.reads_observed) {
      if (next.has_value()) norm(w, {at, width}, all(g), *next);
      return;
    }
  }
  norm(w, {at, width}, all(g), rows_of(to, g), next);
}

// A prompt's are remembered for all of its samples.
void Machine::remember(const Units& g) {
  const UnitRows& held = latents(g.level);
  if (held.at == buffers(g.level).history) return;  // the norm has written them there
  Latents a = latents_of(g.level, held);
  a.history = buffers(g.level).history;
  if (g.of == Stretch::prompt) {
    a.row_of = b_->order + first_;
    a.samples = static_cast<int32_t>(session_->plan.samples);
  }
  push_latents(stream_, a);
}

}  // namespace photon::PHOTON_GPU
