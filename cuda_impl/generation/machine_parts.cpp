// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/generation/machine.h"
#include "cuda_impl/kernels/decode_attention.h"
#include "cuda_impl/kernels/embed.h"
#include "cuda_impl/kernels/local_attention.h"
#include "cuda_impl/kernels/rms_norm.h"
#include "cuda_impl/kernels/rotate_append.h"

namespace photon::PHOTON_GPU {

// U = Conv_l(latents): the first R rows of every chunk's window.
void Machine::multiply_converter(int l, Strided conditioning, int64_t chunks) {
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
          b_->scratch.linear);
}

// The next `rows` rows of every window of decoder l, in place on the residual.
void Machine::run_window(int l, int64_t chunks, int32_t length, int32_t rows) {
  const Stream::Scope scope(stream_, "decoder", l);
  const LevelSpec& s = spec_.level(l);
  const StackShape& shape = spec_.shape(l - 1);
  const auto attend = [&](size_t layer) {
    const LocalCache& cache = buffers(l).local[layer];
    local_attention(stream_, {.shape = attention_shape(shape),
                              .qkv = b_->scratch.qkv,
                              .rotations = rotations(shape),
                              .k = cache.k,
                              .v = cache.v,
                              .out = b_->scratch.attended,
                              .chunks = chunks,
                              .window = static_cast<int32_t>(s.prefix + s.chunk - 1),
                              .length = length,
                              .rows = rows});
  };
  run_layers(stream_, linear_, w_.level(l).decoder, b_->scratch, residual(), chunks * rows, attend);
}

void Machine::norm(const StackWeights& w, Strided x, int64_t rows, Strided to, std::optional<Strided> also) {
  RmsNorm n{.x = x.at,
            .x_stride = x.stride,
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
void Machine::chunk(int l, const bf16* below, int64_t units, bf16* to) {
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
          b_->scratch.linear);
}

// Units [0, count) of every prompt of the pass through one stack, in place on the residual; what the cache
// keeps of them is left there.
void Machine::encode_prompts(const StackWeights& w, const Units& g) {
  const Stream::Scope scope(stream_, "encoder", g.level);
  const LevelBuffers& level = buffers(g.level);
  const bool shared = session_->plan.samples > 1;
  const int64_t keep_from = decode_plan().first_kept(g.level, g.count);
  const std::vector<CacheView>& caches = shared ? level.shared : level.own;
  const bool kept = keep_from < g.count && !caches.empty();
  const int64_t stored = kept ? sequences_ * (g.count - keep_from) : 0;
  Sequences sequences{.count = sequences_,
                      .units = g.count,
                      .visible = visible_units(spec_, g.level),
                      .rotations = rotations(w.shape),
                      .stored = static_cast<double>(stored),
                      .keep = {}};
  if (kept) {
    sequences.keep = [&](size_t layer, RotateAppend& append) {
      append.cache = caches[layer];
      append.sequence = b_->order + first_;
      append.first_unit = shared ? level.shared_first : nullptr;
      append.keep_from = static_cast<int32_t>(keep_from);
    };
  }
  run_sequences(stream_, linear_, w, b_->scratch, residual(), sequences);
  counter_.prefilled(g.level, stored);
}

// The units g of every row behind the growing cache, in place on x (rows · units, D).
void Machine::encode_step(const StackWeights& w, const Units& g, bf16* x) {
  const Stream::Scope scope(stream_, "encoder", g.level);
  const LevelBuffers& level = buffers(g.level);
  const CachePlan& plan = session_->plan.caches[g.level];
  const AttentionShape shape = attention_shape(w.shape);
  const EncoderStep step{.level = g.level,
                         .tokens_per_unit = static_cast<int32_t>(spec_.cumulative_chunk(g.level)),
                         .offset = static_cast<int32_t>(g.first),
                         .units = static_cast<int32_t>(g.count),
                         .visible = visible_units(spec_, g.level)};
  const UnitPosition position{b_->tokens.start, step.tokens_per_unit, step.offset};
  const CacheTraffic traffic = counter_.step(step, clock_);
  const auto attend = [&](size_t layer) {
    rotate_append(stream_,
                  {.shape = shape,
                   .qkv = b_->scratch.qkv,
                   .rotations = rotations(w.shape),
                   .rows = sequences_,
                   .units = step.units,
                   .position = position,
                   .cache = level.own[layer],
                   .first_unit = level.own_first},
                  traffic.rows_written);
    DecodeAttention a{.shape = shape,
                      .q = b_->scratch.qkv,
                      .q_stride = shape.packed_width(),
                      .cache = level.own[layer],
                      .shared = {},
                      .visible = step.visible,
                      .position = position,
                      .out = b_->scratch.attended,
                      .rows = sequences_,
                      .units = step.units,
                      .splits = plan.splits,
                      .workspace = b_->attention};
    a.shared.samples = static_cast<int32_t>(session_->plan.samples);
    a.shared.first = level.shared_first;
    a.shared.count = level.shared_count;
    if (!level.shared.empty()) {
      a.shared.cache = level.shared[layer];
      a.shared_splits = plan.shared_splits;
    }
    decode_attention(stream_, a, traffic);
  };
  run_layers(stream_, linear_, w, b_->scratch, x, all(g), attend);
}

void Machine::sample_from(const HeadInput& in, int64_t states, const Sample& how) {
  const Stream::Scope scope(stream_, "head");
  const int64_t width = spec_.base.width;
  for (int64_t first = 0; first < states; first += session_->plan.head_rows) {
    const int64_t rows = std::min(session_->plan.head_rows, states - first);
    linear_(stream_, "head",
            {.x = in.states + first * in.stride,
             .x_stride = in.stride,
             .gain = in.gain,
             .weight = w_.head,
             .out_float = b_->logits,
             .out_stride = spec_.vocab,
             .rows = rows,
             .in = width,
             .out_width = spec_.vocab},
            b_->scratch.linear);
    Sample p = how;
    p.logits = b_->logits;
    p.vocab = static_cast<int32_t>(spec_.vocab);
    p.states = rows;
    p.first_state = first;
    const Sampling& s = session_->sampling;
    if (s.temperature == 0.0) {
      sample_greedy(stream_, p, b_->parts);
    } else {
      sample_random(stream_, p,
                    {.temperature = static_cast<float>(s.temperature),
                     .top_k = static_cast<int32_t>(std::min<int64_t>(s.top_k, spec_.vocab)),
                     .top_p = static_cast<float>(s.top_p),
                     .seed = s.seed,
                     .first_sequence = session_->first_sequence});
    }
  }
}

void Machine::embed_tokens(const bf16* table, int64_t width, const TokenSlots& slots, int64_t count,
                           Strided to) {
  embed(stream_, {.table = table,
                  .width = static_cast<int32_t>(width),
                  .slots = slots,
                  .rows = sequences_,
                  .count = static_cast<int32_t>(count),
                  .out = to.at,
                  .out_stride = to.stride});
}

}  // namespace photon::PHOTON_GPU
