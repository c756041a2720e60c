#include "cuda_impl/generation/generator.h"
#include "cuda_impl/kernels/advance.h"

namespace photon::PHOTON_GPU {

void Generator::meta_context() {
  made_.assign(static_cast<size_t>(depth()) + 1, 0);
  steps_.clear();
  current_ = 0;
  const Session& s = *session_;
  int32_t burst_first = 0;
  if (depth() == 0) {
    vanilla_step();
    burst_first = 1;
  } else if (s.mode.one_after_another(spec_)) {
    const LevelSpec& top = spec_.level(depth());
    const int64_t stride = top.converter_context * top.shape.width;
    const Strided conditioning{buffers(depth()).history, stride};
    if (top.converter_context == 1) {
      chunk_and_encode(depth(), conditioning, conditioning, {});
    } else {
      chunk_and_encode(depth(), conditioning, Strided{buffers(depth()).conditioning, top.shape.width}, {});
      append_top(buffers(depth()).conditioning);
    }
  } else {
    const bf16* latents = nullptr;
    for (int l = depth(); l >= 1; --l) {
      decode_level(l, 0, s.plan.rows, chunks_a_row(spec_, s.mode, l), latents);
      latents = buffers(l).made;
    }
    if (s.mode.observes_upward) {
      encode_emitted();
    } else {
      encode_reconstructed();
    }
  }
  const auto length = static_cast<int32_t>(spec_.meta_context());
  advance(stream_, {.rows = b_.tokens,
                    .count = s.plan.rows,
                    .first = burst_first,
                    .tokens = length,
                    .step = length,
                    .burst = b_.burst,
                    .burst_log_probs = b_.burst_log_probs});
}

void Generator::vanilla_step() {
  const StackWeights& w = w_.level(1).decoder;
  const int64_t width = spec_.base.width;
  const int64_t rows = session_->plan.rows;
  embed_tokens(w_.decoder_embedding, width, b_.tokens.slots(0, 1), rows, 1, {residual(), width});
  encoder_step(w, step_of(0, 1), residual());
  pick({residual(), width, w.norm}, rows, {.rows = b_.tokens, .first = 1});
}

// Reading `causal`, one chunk of level l of every row: each unit is made from the encoder states of those
// before it, so decoding and re-encoding alternate down to the token. X^(l) of the chunk goes to `into`.
void Generator::chunk_and_encode(int l, Strided conditioning, std::optional<Strided> into,
                                 std::optional<Strided> also) {
  const LevelSpec& s = spec_.level(l);
  const int64_t rows = session_->plan.rows;
  const int64_t below = l == 1 ? spec_.embedding_width() : spec_.shape(l - 1).width;
  const bool observed = l < depth() || session_->mode.observes_upward;
  bf16* units = buffers(l).units;
  convert(l, conditioning, rows);
  for (int64_t j = 0; j < s.chunk; ++j) {
    const auto part = static_cast<int32_t>(j == 0 ? s.prefix : 1);
    const Strided slot{units + j * below, s.chunk * below};
    run_window(l, rows, static_cast<int32_t>(j == 0 ? 0 : s.prefix + j - 1), part);
    const bool last = j + 1 == s.chunk;
    if (l == 1) {
      const int64_t width = spec_.base.width;
      const auto position = static_cast<int32_t>(made(1) * s.chunk + j);
      pick({residual() + (part - 1) * width, part * width, w_.level(1).decoder.norm}, rows,
           {.rows = b_.tokens, .first = position});
      const TokenSlots token = b_.tokens.slots(position, 1);
      if (!last) embed_tokens(w_.decoder_embedding, width, token, rows, 1, {residual(), width});
      embed_tokens(w_.encoder_embedding, below, token, rows, 1, slot);
      continue;
    }
    window_output(l, rows, part, slot);
    const LevelSpec& lower = spec_.level(l - 1);
    Strided latent = slot;
    if (lower.converter_context > 1) {
      LevelBuffers& b = buffers(l - 1);
      push_latents(stream_, {.history = b.history,
                             .latest = slot.at,
                             .latest_stride = slot.stride,
                             .rows = rows,
                             .count = 1,
                             .context = static_cast<int32_t>(lower.converter_context),
                             .width = static_cast<int32_t>(below)});
      latent = {b.history, lower.converter_context * below};
    }
    // X^(l-1) of the unit is what the window takes next, and what chunker l reads.
    const int other = 1 - current_;
    std::optional<Strided> next;
    if (!last) next = Strided{b_.x[other], below};
    if (observed) {
      chunk_and_encode(l - 1, latent, slot, next);
    } else {
      chunk_and_encode(l - 1, latent, next, {});
    }
    if (!last) current_ = other;
  }
  bf16* x = units;  // Chunk_1 is a concatenation
  if (l > 1) {
    x = residual();
    chunk(l, units, rows, x);
  }
  encoder_step(w_.level(l).encoder, step_of(l, 1), x);
  if (into.has_value()) norm(w_.level(l).encoder, x, s.shape.width, rows, *into, also);
}

// Decoder l over `chunks` consecutive chunks of each of `rows` rows, its outputs or its tokens fed back: C_l
// forwards. latents (rows · chunks, D_l), null at the top; leaves Xhat^(l-1).
void Generator::decode_level(int l, int64_t first_row, int64_t rows, int64_t chunks, const bf16* latents) {
  const LevelSpec& s = spec_.level(l);
  LevelBuffers& b = buffers(l);
  const int64_t total = rows * chunks;
  const int64_t width = spec_.shape(l - 1).width;
  const int64_t conditioning_width = s.converter_context * s.shape.width;
  bf16* history = b.history + first_row * conditioning_width;
  Strided conditioning{history, conditioning_width};
  if (latents != nullptr) {
    const bool previous = spec_.conditioning(l) == Conditioning::previous;
    if (!previous && s.converter_context == 1) {
      conditioning = {const_cast<bf16*>(latents), s.shape.width};
    } else {
      const Latents a{.history = history,
                      .latest = latents,
                      .latest_stride = chunks * s.shape.width,
                      .rows = rows,
                      .count = static_cast<int32_t>(chunks),
                      .context = static_cast<int32_t>(s.converter_context),
                      .width = static_cast<int32_t>(s.shape.width)};
      gather_conditioning(stream_, a, previous, 0, static_cast<int32_t>(chunks), b.conditioning);
      push_latents(stream_, a);
      conditioning.at = b.conditioning;
    }
  }
  convert(l, conditioning, total);
  const bool tokens_fed = spec_.feedback(l) == Feedback::token;
  const TokenRows tokens = token_rows(first_row);
  for (int64_t j = 0; j < s.chunk; ++j) {
    const auto part = static_cast<int32_t>(j == 0 ? s.prefix : 1);
    run_window(l, total, static_cast<int32_t>(j == 0 ? 0 : s.prefix + j - 1), part);
    const bool last = j + 1 == s.chunk;
    if (!tokens_fed) {
      const Strided slot{b.made + j * width, s.chunk * width};
      if (last) {
        window_output(l, total, part, slot);
      } else {
        window_output(l, total, part, slot, Strided{next_residual(), width});
        current_ = 1 - current_;
      }
      continue;
    }
    const auto chunk_tokens = static_cast<int32_t>(s.chunk);
    const auto unit = static_cast<int32_t>(j);
    pick({residual() + (part - 1) * width, part * width, w_.level(1).decoder.norm}, total,
         {.count = static_cast<int32_t>(chunks), .rows = tokens, .first = unit, .step = chunk_tokens});
    if (!last) {
      embed_tokens(w_.decoder_embedding, width, tokens.slots(unit, chunk_tokens), rows, chunks,
                   {residual(), width});
    }
  }
  if (l > 1 || tokens_fed) return;
  // Nothing waits for the tokens of reading `hatted`: one pass of the head over all of them.
  pick({b.made, width, nullptr}, total * s.chunk,
       {.count = static_cast<int32_t>(chunks * s.chunk), .rows = tokens});
}

// The meta-context's tokens, up through all encoders.
void Generator::encode_emitted() {
  const int64_t rows = session_->plan.rows;
  const int64_t length = spec_.meta_context();
  const int64_t width = spec_.embedding_width();
  embed_tokens(w_.encoder_embedding, width, b_.tokens.slots(0, 1), rows, length, {buffers(1).units, width});
  for (int l = 1; l <= depth(); ++l) {
    const auto units = static_cast<int32_t>(spec_.units_per_meta_context(l));
    const StackWeights& w = w_.level(l).encoder;
    bf16* x = buffers(1).units;
    if (l > 1) {
      x = residual();
      chunk(l, buffers(l).units, rows * units, x);
    }
    encoder_step(w, step_of(l, units), x);
    bf16* to = l < depth() ? buffers(l + 1).units : next_residual();
    norm(w, x, w.shape.width, rows * units, {to, w.shape.width});
  }
  append_top(next_residual());
}

// RecGen: the meta-context's own reconstruction, one unit of the top.
void Generator::encode_reconstructed() {
  const StackWeights& w = w_.level(depth()).encoder;
  const int64_t rows = session_->plan.rows;
  chunk(depth(), buffers(depth()).made, rows, residual());
  encoder_step(w, step_of(depth(), 1), residual());
  norm(w, residual(), w.shape.width, rows, {next_residual(), w.shape.width});
  append_top(next_residual());
}

// Unrolled: the latents of one meta-context of every row.
void Generator::unrolled_latents() {
  made_.assign(static_cast<size_t>(depth()) + 1, 0);
  steps_.clear();
  current_ = 0;
  const Session& s = *session_;
  const LevelSpec& top = spec_.level(depth());
  const int64_t width = spec_.shape(depth() - 1).width;
  decode_level(depth(), 0, s.plan.rows, 1, nullptr);
  const Latents made{.latest = buffers(depth()).made,
                     .latest_stride = top.chunk * width,
                     .rows = s.plan.rows,
                     .count = static_cast<int32_t>(top.chunk),
                     .width = static_cast<int32_t>(width)};
  keep_latents(stream_, made,
               {.all = b_.answer_latents,
                .capacity = s.plan.answer * top.chunk,
                .begin = b_.begin,
                .start = b_.tokens.start,
                .meta_context = static_cast<int32_t>(spec_.meta_context())});
  encode_reconstructed();
  advance(stream_, {.rows = b_.tokens,
                    .count = s.plan.rows,
                    .tokens = 0,
                    .step = static_cast<int32_t>(spec_.meta_context()),
                    .burst = b_.burst,
                    .burst_log_probs = b_.burst_log_probs});
}

// Unrolled: every chunk of the answers of some rows together.
void Generator::unrolled_chunks(int64_t first_row, int64_t rows) {
  current_ = 0;
  int64_t chunks = session_->plan.answer * spec_.level(depth()).chunk;
  const bf16* latents = b_.answer_latents + first_row * chunks * spec_.shape(depth() - 1).width;
  for (int l = depth() - 1; l >= 1; --l) {
    decode_level(l, first_row, rows, chunks, latents);
    latents = buffers(l).made;
    chunks *= spec_.level(l).chunk;
  }
}

}  // namespace photon::PHOTON_GPU
