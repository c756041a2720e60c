#include "cuda_impl/generation/generator.h"
#include "cuda_impl/kernels/decode_attention.h"
#include "cuda_impl/kernels/embed.h"
#include "cuda_impl/kernels/local_attention.h"
#include "cuda_impl/kernels/rms_norm.h"
#include "cuda_impl/kernels/rotate_append.h"

namespace photon::PHOTON_GPU {

// U = Conv_l(latents): the first R rows of every chunk's window.
void Generator::convert(int l, Strided conditioning, int64_t chunks) {
  const Stream::Scope scope(stream_, "converter", l);
  const LevelSpec& s = spec_.level(l);
  const int64_t out = s.prefix * spec_.shape(l - 1).width;
  linear_(stream_, "converter",
          {.x = conditioning.at,
           .x_stride = conditioning.stride,
           .weight = w_.level(l).converter,
           .bias = w_.level(l).converter_bias,
           .out = residual(),
           .out_stride = out,
           .rows = chunks,
           .in = s.converter_context * s.shape.width,
           .out_width = out},
          b_.scratch.linear);
}

// The next `rows` rows of every window of decoder l, in place on the residual.
void Generator::run_window(int l, int64_t chunks, int32_t length, int32_t rows) {
  const Stream::Scope scope(stream_, "decoder", l);
  const LevelSpec& s = spec_.level(l);
  const StackShape& shape = spec_.shape(l - 1);
  const auto attend = [&](size_t layer) {
    const LocalCache& cache = buffers(l).local[layer];
    local_attention(stream_, {.shape = attention_shape(shape),
                              .qkv = b_.scratch.qkv,
                              .rotations = rotations(shape),
                              .k = cache.k,
                              .v = cache.v,
                              .out = b_.scratch.attended,
                              .chunks = chunks,
                              .window = static_cast<int32_t>(s.prefix + s.chunk - 1),
                              .length = length,
                              .rows = rows});
  };
  run_layers(stream_, linear_, w_.level(l).decoder, b_.scratch, residual(), chunks * rows, attend);
}

// The last of the `rows` rows of every window, normalised.
void Generator::window_output(int l, int64_t chunks, int32_t rows, Strided to, std::optional<Strided> also) {
  const int64_t width = spec_.shape(l - 1).width;
  norm(w_.level(l).decoder, residual() + (rows - 1) * width, rows * width, chunks, to, also);
}

void Generator::norm(const StackWeights& w, const bf16* x, int64_t x_stride, int64_t rows, Strided to,
                     std::optional<Strided> also) {
  RmsNorm n{.x = x,
            .x_stride = x_stride,
            .gain = w.norm,
            .out = to.at,
            .out_stride = to.stride,
            .rows = rows,
            .width = static_cast<int32_t>(w.shape.width),
            .eps = static_cast<float>(spec_.norm_eps)};
  if (also.has_value()) {
    n.copy = also->at;
    n.copy_stride = also->stride;
  }
  rms_norm(stream_, n);
}

// Chunk_l, l >= 2: `units` units of level l from C_l times as many below.
void Generator::chunk(int l, const bf16* below, int64_t units, bf16* to) {
  const Stream::Scope scope(stream_, "chunker", l);
  const int64_t in = spec_.level(l).chunk * spec_.shape(l - 1).width;
  const int64_t width = spec_.shape(l).width;
  linear_(stream_, "chunker",
          {.x = below,
           .x_stride = in,
           .gain = w_.level(l).chunker_norm,
           .weight = w_.level(l).chunker_proj,
           .bias = w_.level(l).chunker_bias,
           .out = to,
           .out_stride = width,
           .rows = units,
           .in = in,
           .out_width = width},
          b_.scratch.linear);
}

EncoderStep Generator::step_of(int l, int32_t units) const {
  EncoderStep step;
  step.level = l;
  step.units = units;
  if (l == 0) return step;
  step.tokens_per_unit = static_cast<int32_t>(spec_.cumulative_chunk(l));
  step.offset = made_[static_cast<size_t>(l)];
  step.visible = visible_units(spec_, l);
  return step;
}

// The next units of every row behind the growing cache, in place on x (rows · units, D).
void Generator::encoder_step(const StackWeights& w, const EncoderStep& step, bf16* x) {
  const Stream::Scope scope(stream_, "encoder", step.level);
  const LevelBuffers& level = buffers(step.level);
  const CachePlan& plan = cache_plan(step.level);
  const AttentionShape shape = attention_shape(w.shape);
  const int64_t rows = session_->plan.rows;
  const UnitPosition position{b_.tokens.start, step.tokens_per_unit, step.offset};
  const CacheTraffic traffic = clock_.traffic(step, prompt_units_[static_cast<size_t>(step.level)]);
  const auto attend = [&](size_t layer) {
    rotate_append(stream_,
                  {.shape = shape,
                   .qkv = b_.scratch.qkv,
                   .rotations = rotations(w.shape),
                   .rows = rows,
                   .units = step.units,
                   .position = position,
                   .cache = level.own[layer],
                   .first_unit = level.own_first},
                  traffic.rows_written);
    DecodeAttention a{.shape = shape,
                      .q = b_.scratch.qkv,
                      .q_stride = shape.packed_width(),
                      .cache = level.own[layer],
                      .shared = {},
                      .visible = step.visible,
                      .position = position,
                      .out = b_.scratch.attended,
                      .rows = rows,
                      .units = step.units,
                      .splits = plan.splits,
                      .workspace = b_.attention};
    a.shared.samples = static_cast<int32_t>(session_->plan.samples);
    a.shared.first = level.shared_first;
    a.shared.count = level.shared_count;
    if (!level.shared.empty()) {
      a.shared.cache = level.shared[layer];
      a.shared_splits = plan.shared_splits;
    }
    decode_attention(stream_, a, traffic);
  };
  run_layers(stream_, linear_, w, b_.scratch, x, rows * step.units, attend);
  if (step.level > 0) made(step.level) += step.units;
  steps_.push_back(step);
}

void Generator::pick(const HeadInput& in, int64_t states, const Pick& how) {
  const Stream::Scope scope(stream_, "head");
  const int64_t width = spec_.base.width;
  for (int64_t first = 0; first < states; first += session_->plan.head_rows) {
    const int64_t rows = std::min(session_->plan.head_rows, states - first);
    linear_(stream_, "head",
            {.x = in.states + first * in.stride,
             .x_stride = in.stride,
             .gain = in.gain,
             .weight = w_.head,
             .out_float = b_.logits,
             .out_stride = spec_.vocab,
             .rows = rows,
             .in = width,
             .out_width = spec_.vocab},
            b_.scratch.linear);
    Pick p = how;
    p.logits = b_.logits;
    p.vocab = static_cast<int32_t>(spec_.vocab);
    p.states = rows;
    p.first_state = first;
    const Sampling& s = session_->sampling;
    if (s.temperature == 0.0) {
      pick_greedy(stream_, p, b_.parts);
    } else {
      pick_sampled(stream_, p,
                   {.temperature = static_cast<float>(s.temperature),
                    .top_k = static_cast<int32_t>(std::min<int64_t>(s.top_k, spec_.vocab)),
                    .top_p = static_cast<float>(s.top_p),
                    .seed = s.seed,
                    .first_row = session_->first_row});
    }
  }
}

TokenRows Generator::token_rows(int64_t first_row) const {
  TokenRows t = b_.tokens;
  t.tokens += first_row * t.capacity;
  t.log_probs += first_row * t.capacity;
  t.start += first_row;
  t.known += first_row;
  t.target += first_row;
  return t;
}

void Generator::embed_tokens(const bf16* table, int64_t width, const TokenSlots& slots, int64_t rows,
                             int64_t count, Strided to) {
  embed(stream_, {.table = table,
                  .width = static_cast<int32_t>(width),
                  .slots = slots,
                  .rows = rows,
                  .count = static_cast<int32_t>(count),
                  .out = to.at,
                  .out_stride = to.stride});
}

// X^(L) of the meta-context just encoded joins every row's memory of latents.
void Generator::append_top(const bf16* x) {
  const LevelSpec& top = spec_.level(depth());
  push_latents(stream_, {.history = buffers(depth()).history,
                         .latest = x,
                         .latest_stride = top.shape.width,
                         .rows = session_->plan.rows,
                         .count = 1,
                         .context = static_cast<int32_t>(top.converter_context),
                         .width = static_cast<int32_t>(top.shape.width)});
}

}  // namespace photon::PHOTON_GPU
