// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/model/model_tape.h"

#include <algorithm>

#include "cuda_impl/kernels/copy_rows.h"
#include "cuda_impl/kernels/embed.h"
#include "cuda_impl/kernels/latents.h"
#include "cuda_impl/kernels/rms_norm.h"
#include "cuda_impl/model/rotations.h"
#include "cuda_impl/model/stack.h"

namespace photon::PHOTON_GPU {
namespace {

void norm(const LayerContext& c, const bf16* x, int64_t x_stride, const bf16* gain, bf16* out,
          int64_t out_stride, int64_t rows, int64_t width, bf16* copy = nullptr) {
  rms_norm(c.stream, {.x = x,
                      .x_stride = x_stride,
                      .gain = gain,
                      .out = out,
                      .out_stride = out_stride,
                      .copy = copy,
                      .copy_stride = copy == nullptr ? 0 : width,
                      .rows = rows,
                      .width = static_cast<int32_t>(width),
                      .eps = c.eps});
}

/// Of the only stack of a vanilla model.
TapeShape vanilla_shape(const ModelSpec& spec, int64_t sequences, int64_t length) {
  return {.stack = spec.base, .layers = spec.layers, .sequences = sequences, .parts = {length}};
}

TapeShape encoder_shape(const ModelSpec& spec, int l, int64_t sequences, int64_t units) {
  return {.stack = spec.shape(l),
          .layers = spec.level(l).encoder_layers,
          .sequences = sequences,
          .parts = {units},
          .visible = visible_units(spec, l)};
}

TapeShape decoder_shape(const ModelSpec& spec, int l, int64_t chunks) {
  const LevelSpec& s = spec.level(l);
  TapeShape shape{.stack = spec.shape(l - 1),
                  .layers = s.decoder_layers,
                  .sequences = chunks,
                  .parts = {s.prefix},
                  .windows = true};
  if (spec.feedback(l) == Feedback::reconstructed) {
    shape.parts.insert(shape.parts.end(), static_cast<size_t>(s.chunk - 1), 1);
  } else {
    shape.parts[0] += s.chunk - 1;
  }
  return shape;
}

}  // namespace

ModelTape::ModelTape(Arena& arena, const ModelSpec& spec, int64_t sequences, int64_t length,
                     StackTape::Keep keep)
    : spec_(&spec), sequences_(sequences), length_(length), positions_(length) {
  constexpr auto use = Arena::Use::activations;
  const int depth = spec.depth();
  levels_.resize(std::max(depth, 1));
  StackTape::Shared shared;
  if (depth == 0) shared.make_room(vanilla_shape(spec, sequences, length), keep);
  for (int l = 1; l <= depth; ++l) {
    const TapeShape decoder = decoder_shape(spec, l, units(l));
    shared.make_room(encoder_shape(spec, l, sequences, units(l) / sequences), keep);
    shared.make_room(decoder, keep);
    positions_ = std::max(positions_, decoder.length());
  }
  shared.lay_out(arena);
  ids_ = arena.take<int32_t>(Arena::Use::workspace, sequences * length);
  for (int l = 0; l <= depth; ++l) {
    const int64_t head_size = spec.shape(l).head_size();
    float*& table = rotations_[head_size];
    if (table == nullptr) table = arena.take<float>(Arena::Use::workspace, positions_ * head_size);
  }
  if (depth == 0) {
    levels_[0].decoder = StackTape(arena, vanilla_shape(spec, sequences, length), keep, shared);
    levels_[0].xhat_below = arena.take<bf16>(use, sequences * length * spec.base.width);
    return;
  }
  if (spec.feedback(1) == Feedback::token) {
    token_embeddings_ = arena.take<bf16>(Arena::Use::workspace, sequences * length * spec.base.width);
  }
  for (int l = 1; l <= depth; ++l) {
    LevelTape& t = levels_[l - 1];
    const LevelSpec& s = spec.level(l);
    const int64_t below = spec.shape(l - 1).width;
    if (l >= 2) t.chunk_normed = arena.take<bf16>(use, units(l - 1) * below);
    t.encoder = StackTape(arena, encoder_shape(spec, l, sequences, units(l) / sequences), keep, shared);
    t.x = arena.take<bf16>(use, units(l) * s.shape.width);
    t.conditioning = arena.take<bf16>(use, units(l) * s.converter_context * s.shape.width);
    t.decoder = StackTape(arena, decoder_shape(spec, l, units(l)), keep, shared);
    t.xhat_below = arena.take<bf16>(use, units(l - 1) * below);
  }
}

int64_t ModelTape::units(int l) const {
  return sequences_ * (length_ / (l == 0 ? 1 : spec_->cumulative_chunk(l)));
}

bf16* ModelTape::xhat(int l) const {
  return l > 0 && l == spec_->depth() ? x(l) : level(l + 1).xhat_below;  // Xhat^(L) = X^(L)
}

void ModelTape::upload_rotations(Stream& stream) const {
  for (const auto& [head_size, table] : rotations_) {
    stream.upload(table, rotation_table(positions_, head_size, spec_->rope_theta));
  }
}

LayerContext ModelTape::context(Stream& stream, Matmul& matmul, const StackShape& shape) const {
  return {stream, matmul, static_cast<float>(spec_->norm_eps), rotations(shape.head_size())};
}

void ModelTape::embed(Stream& stream, const bf16* table, int64_t width, bf16* to) const {
  PHOTON_GPU::embed(stream, {.table = table,
                             .width = static_cast<int32_t>(width),
                             .slots = {.tokens = ids_, .capacity = length_},
                             .rows = sequences_,
                             .count = static_cast<int32_t>(length_),
                             .out = to,
                             .out_stride = width});
}

void ModelTape::forward(Stream& stream, Matmul& matmul, const ModelWeights& weights) const {
  const int depth = spec_->depth();
  if (depth == 0) {
    const Stream::Scope scope(stream, "decoder", 1);
    const LayerContext c = context(stream, matmul, spec_->base);
    const LevelTape& t = level(1);
    embed(stream, weights.decoder_embedding, spec_->base.width, t.decoder.input());
    PHOTON_GPU::forward(c, weights.level(1).decoder, t.decoder, 0);
    norm(c, t.decoder.parts()[0].last, spec_->base.width, weights.level(1).decoder.norm, t.xhat_below,
         spec_->base.width, units(0), spec_->base.width);
    return;
  }
  for (int l = 1; l <= depth; ++l) encode_level(stream, matmul, weights, l);
  for (int l = depth; l >= 1; --l) decode_level(stream, matmul, weights, l);
}

// A^(l) = Chunk_l(X^(l-1)), X^(l) = F_l(A^(l)).
void ModelTape::encode_level(Stream& stream, Matmul& matmul, const ModelWeights& weights, int l) const {
  const Stream::Scope scope(stream, "encoder", l);
  const LevelTape& t = level(l);
  const LevelWeights& w = weights.level(l);
  const int64_t width = spec_->shape(l).width;
  const LayerContext c = context(stream, matmul, spec_->shape(l));
  if (l == 1) {
    embed(stream, weights.encoder_embedding, spec_->embedding_width(), t.encoder.input());
  } else {
    const int64_t in = spec_->level(l).chunk * spec_->shape(l - 1).width;
    norm(c, x(l - 1), in, w.chunker_norm, t.chunk_normed, in, units(l), in);
    matmul(stream, "chunker",
           Product{.x = t.chunk_normed,
                   .x_stride = in,
                   .weight = w.chunker_proj,
                   .bias = w.chunker_bias,
                   .out = t.encoder.input(),
                   .out_stride = width,
                   .rows = units(l),
                   .in = in,
                   .out_width = width});
  }
  PHOTON_GPU::forward(c, w.encoder, t.encoder, 0);
  norm(c, t.encoder.parts()[0].last, width, w.encoder.norm, t.x, width, units(l), width);
}

// U^(l) = Conv_l(conditioning), Xhat^(l-1) of a chunk = G_l([U ; fed back]).
void ModelTape::decode_level(Stream& stream, Matmul& matmul, const ModelWeights& weights, int l) const {
  const Stream::Scope scope(stream, "decoder", l);
  const LevelTape& t = level(l);
  const LevelWeights& w = weights.level(l);
  const LevelSpec& s = spec_->level(l);
  const int64_t below = spec_->shape(l - 1).width;
  const int64_t chunks = units(l) / sequences_;
  gather_conditioning(stream,
                      {.start = w.start,
                       .latest = xhat(l),
                       .latest_stride = chunks * s.shape.width,
                       .rows = sequences_,
                       .count = static_cast<int32_t>(chunks),
                       .context = static_cast<int32_t>(s.converter_context),
                       .width = static_cast<int32_t>(s.shape.width)},
                      spec_->conditioning(l) == Conditioning::previous, 0, static_cast<int32_t>(chunks),
                      t.conditioning);
  const int64_t in = s.converter_context * s.shape.width;
  matmul(stream, "converter",
         Product{.x = t.conditioning,
                 .x_stride = in,
                 .weight = w.converter,
                 .bias = w.converter_bias,
                 .out = t.decoder.input(),
                 .out_stride = t.decoder.parts()[0].rows * below,
                 .rows = units(l),
                 .in = in,
                 .out_width = s.prefix * below});
  const LayerContext c = context(stream, matmul, spec_->shape(l - 1));
  if (known_beforehand(l)) {
    decode_in_one_part(c, weights, l);
  } else {
    decode_unit_by_unit(c, weights, l);
  }
}

// The window [U_1 .. U_R, f_1 .. f_{C-1}]; position R + j - 1 (from 0) makes unit j + 1.
void ModelTape::decode_in_one_part(const LayerContext& c, const ModelWeights& weights, int l) const {
  const LevelTape& t = level(l);
  const LevelSpec& s = spec_->level(l);
  const int64_t width = spec_->shape(l - 1).width;
  const int64_t window = s.prefix + s.chunk - 1;
  const bool tokens = spec_->feedback(l) == Feedback::token;
  if (tokens) embed(c.stream, weights.decoder_embedding, width, token_embeddings_);
  if (s.chunk > 1) {
    copy_rows(c.stream, {.from = tokens ? token_embeddings_ : x(l - 1),
                         .from_stride = s.chunk * width,
                         .to = t.decoder.input() + s.prefix * width,
                         .to_stride = window * width,
                         .groups = units(l),
                         .rows = static_cast<int32_t>(s.chunk - 1),
                         .width = static_cast<int32_t>(width)});
  }
  const StackWeights& w = weights.level(l).decoder;
  PHOTON_GPU::forward(c, w, t.decoder, 0);
  const bf16* made = t.decoder.parts()[0].last;
  if (s.prefix > 1) {
    copy_rows(c.stream, {.from = made + (s.prefix - 1) * width,
                         .from_stride = window * width,
                         .to = t.xhat_below,
                         .to_stride = s.chunk * width,
                         .groups = units(l),
                         .rows = static_cast<int32_t>(s.chunk),
                         .width = static_cast<int32_t>(width)});
    made = t.xhat_below;
  }
  norm(c, made, width, w.norm, t.xhat_below, width, units(l - 1), width);
}

// Where units are fed back as they are made, the window grows by one row at a time, in all chunks at once.
void ModelTape::decode_unit_by_unit(const LayerContext& c, const ModelWeights& weights, int l) const {
  const LevelTape& t = level(l);
  const LevelSpec& s = spec_->level(l);
  const StackWeights& w = weights.level(l).decoder;
  const int64_t width = spec_->shape(l - 1).width;
  for (size_t j = 0; j < t.decoder.parts().size(); ++j) {
    PHOTON_GPU::forward(c, w, t.decoder, j);
    const StackTape::Part& part = t.decoder.parts()[j];
    const bool more = j + 1 < t.decoder.parts().size();
    norm(c, part.last + (part.rows - 1) * width, part.rows * width, w.norm,
         t.xhat_below + static_cast<int64_t>(j) * width, s.chunk * width, units(l), width,
         more ? t.decoder.input(j + 1) : nullptr);
  }
}

}  // namespace photon::PHOTON_GPU
