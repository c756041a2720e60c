// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/training/model_backward.h"

#include <algorithm>

#include "cuda_impl/kernels/add_rows.h"
#include "cuda_impl/kernels/column_sums.h"
#include "cuda_impl/kernels/conditioning_backward.h"
#include "cuda_impl/kernels/copy_rows.h"
#include "cuda_impl/kernels/rms_norm_backward.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr auto use = Arena::Use::workspace;

}  // namespace

ModelBackward::ModelBackward(Arena& arena, const ModelTape& tape, const LossConfig& config, bool gradients)
    : tape_(tape),
      spec_(tape.spec()),
      config_(config),
      counts_(spec_, tape.sequences(), tape.length()),
      gradients_(gradients),
      head_rows_(head_rows(spec_, tape.units(0))) {
  const int depth = spec_.depth();
  const int64_t tokens = tape.units(0);
  lay_out_losses(arena);
  if (!gradients) return;

  int64_t residual = 0;
  const auto stack = [&](const StackTape& s) {
    scratch_.make_room(s.shape());
    for (size_t p = 0; p < s.parts().size(); ++p) {
      residual = std::max(residual, s.rows(p) * s.shape().stack.width);
    }
  };
  for (int l = 1; l <= std::max(depth, 1); ++l) {
    stack(tape.level(l).decoder);
    if (depth == 0) break;
    const LevelSpec& s = spec_.level(l);
    const int64_t below = spec_.shape(l - 1).width;
    stack(tape.level(l).encoder);
    scratch_.make_room_for_rows(tape.units(l), s.converter_context * s.shape.width);
    scratch_.make_room_for_sums(tape.units(l - 1), below);
    scratch_.make_room_for_sums(tape.units(l), s.prefix * below);
    if (l >= 2) {
      scratch_.make_room_for_rows(tape.units(l), s.chunk * below);
      scratch_.make_room_for_sums(tape.units(l), s.chunk * below);
    }
  }
  residual_ = arena.take<bf16>(use, residual);
  d_tokens_ = arena.take<bf16>(use, tokens * spec_.base.width);
  if (depth > 0 && spec_.feedback(1) == Feedback::token) {
    d_fed_ = arena.take<bf16>(use, tape.units(1) * (spec_.level(1).chunk - 1) * spec_.base.width);
  }
  scratch_.lay_out(arena);
  lay_out_latents(arena);
}

void ModelBackward::lay_out_latents(Arena& arena) {
  const bool toward_chunks = config_.beta != 0.0 && !config_.detach_targets;
  std::vector<std::pair<float**, int64_t>> parts;
  levels_.resize(spec_.depth());
  for (int l = 1; l <= spec_.depth(); ++l) {
    Level& level = levels_[l - 1];
    const int64_t size = tape_.units(l) * spec_.shape(l).width;
    parts.emplace_back(&level.d_x, size);
    if (l >= 2) parts.emplace_back(&level.d_xhat_below, tape_.units(l - 1) * spec_.shape(l - 1).width);
    if (toward_chunks) parts.emplace_back(&level.d_a, size);
  }
  for (const auto& [place, size] : parts) latent_elements_ += size;
  latents_ = arena.take<float>(use, latent_elements_);
  float* next = latents_;
  for (const auto& [place, size] : parts) {
    *place = next;
    next += size;
  }
}

ModelBackward::EmbeddingGradients ModelBackward::embedding_gradients() const {
  if (spec_.depth() == 0) return {.decoder = residual_, .decoder_width = spec_.base.width};
  return {.encoder = residual_,
          .encoder_width = spec_.embedding_width(),
          .decoder = d_fed_,
          .decoder_width = spec_.base.width};
}

LayerContext ModelBackward::layer_context(const Context& c, int l) const {
  return {c.stream, c.matmul, static_cast<float>(spec_.norm_eps),
          tape_.rotations(spec_.shape(l).head_size())};
}

float* ModelBackward::d_xhat(int l) const {
  return l == spec_.depth() ? level(l).d_x : level(l + 1).d_xhat_below;
}

void ModelBackward::run(Stream& stream, Matmul& matmul, const ModelWeights& w, const ModelGradients& g,
                        double weight) const {
  const Context c{stream, matmul, w, g};
  if (gradients_ && latent_elements_ > 0) {
    stream.clear(latents_, latent_elements_ * static_cast<int64_t>(sizeof(float)));
  }
  {
    const Stream::Scope scope(stream, "loss");
    head_loss(c, weight);
    rec_losses(c, weight);
    context_losses(c, weight);
  }
  if (!gradients_) return;
  const Stream::Scope scope(stream, "backward");
  if (spec_.depth() == 0) {
    vanilla(c);
    return;
  }
  for (int l = 1; l <= spec_.depth(); ++l) decode_level(c, l);
  for (int l = spec_.depth(); l >= 1; --l) encode_level(c, l);
}

void ModelBackward::vanilla(const Context& c) const {
  const Stream::Scope scope(c.stream, "decoder", 1);
  const StackTape& stack = tape_.level(1).decoder;
  decoder_norm(c, 1, stack.parts()[0].last, spec_.base.width, 0, tape_.units(0), residual_);
  backward(layer_context(c, 0), c.w.level(1).decoder, c.g.level(1).decoder, stack, 0, scratch_, residual_);
}

void ModelBackward::decoder_norm(const Context& c, int l, const bf16* last, int64_t last_stride, int64_t j,
                                 int64_t units, bf16* d_last) const {
  const bool vanilla = spec_.depth() == 0;
  const int64_t width = spec_.shape(vanilla ? 0 : l - 1).width;
  const int64_t chunk = vanilla ? units : spec_.level(l).chunk;
  const int64_t at = j * width;
  rms_norm_backward(c.stream, {.x = last,
                               .x_stride = last_stride,
                               .gain = c.w.level(l).decoder.norm,
                               .d_out = l == 1 ? d_tokens_ + at : nullptr,
                               .d_out_float = l == 1 ? nullptr : d_xhat(l - 1) + at,
                               .d_out_stride = chunk * width,
                               .d_x = d_last,
                               .d_x_stride = last_stride,
                               .d_gain = c.g.level(l).decoder.norm,
                               .workspace = scratch_.partial,
                               .groups = vanilla ? 1 : tape_.units(l),
                               .rows = static_cast<int32_t>(units),
                               .width = static_cast<int32_t>(width),
                               .eps = static_cast<float>(spec_.norm_eps)});
}

void ModelBackward::decode_level(const Context& c, int l) const {
  const Stream::Scope scope(c.stream, "decoder", l);
  if (tape_.known_beforehand(l)) {
    decode_in_one_part(c, l);
  } else {
    decode_unit_by_unit(c, l);
  }
  converter(c, l);
}

void ModelBackward::decode_in_one_part(const Context& c, int l) const {
  const StackTape& stack = tape_.level(l).decoder;
  const LevelSpec& s = spec_.level(l);
  const int64_t width = spec_.shape(l - 1).width;
  const int64_t window = stack.parts()[0].rows;
  const int64_t made = (s.prefix - 1) * width;
  // No loss comes from the prefix's rows but the last.
  if (s.prefix > 1) c.stream.clear(residual_, stack.rows(0) * width * static_cast<int64_t>(sizeof(bf16)));
  decoder_norm(c, l, stack.parts()[0].last + made, window * width, 0, s.chunk, residual_ + made);
  backward(layer_context(c, l - 1), c.w.level(l).decoder, c.g.level(l).decoder, stack, 0, scratch_,
           residual_);
  if (s.chunk == 1) return;
  const bf16* d_fed = residual_ + s.prefix * width;
  const auto rows = static_cast<int32_t>(s.chunk - 1);
  if (spec_.feedback(l) == Feedback::token) {
    copy_rows(c.stream, {.from = d_fed,
                         .from_stride = window * width,
                         .to = d_fed_,
                         .to_stride = rows * width,
                         .groups = tape_.units(l),
                         .rows = rows,
                         .width = static_cast<int32_t>(width)});
  } else {
    add_rows(c.stream, {.from = d_fed,
                        .from_stride = window * width,
                        .to_float = level(l - 1).d_x,
                        .to_stride = s.chunk * width,
                        .groups = tape_.units(l),
                        .rows = rows,
                        .width = static_cast<int32_t>(width)});
  }
}

void ModelBackward::decode_unit_by_unit(const Context& c, int l) const {
  const StackTape& stack = tape_.level(l).decoder;
  const int64_t chunk = spec_.level(l).chunk;
  const int64_t width = spec_.shape(l - 1).width;
  begin_backward(c.stream, stack, scratch_);
  for (int64_t j = chunk - 1; j >= 0; --j) {
    const StackTape::Part& part = stack.parts()[j];
    // The part after this one was fed its output.
    if (j + 1 < chunk) {
      add_rows(c.stream, {.from = residual_,
                          .from_stride = width,
                          .to = l == 1 ? d_tokens_ + j * width : nullptr,
                          .to_float = l == 1 ? nullptr : d_xhat(l - 1) + j * width,
                          .to_stride = chunk * width,
                          .groups = tape_.units(l),
                          .rows = 1,
                          .width = static_cast<int32_t>(width)});
    }
    const int64_t last = (part.rows - 1) * width;
    const int64_t bytes = tape_.units(l) * part.rows * width * static_cast<int64_t>(sizeof(bf16));
    if (part.rows > 1) c.stream.clear(residual_, bytes);
    decoder_norm(c, l, part.last + last, part.rows * width, j, 1, residual_ + last);
    backward(layer_context(c, l - 1), c.w.level(l).decoder, c.g.level(l).decoder, stack,
             static_cast<size_t>(j), scratch_, residual_);
  }
}

void ModelBackward::converter(const Context& c, int l) const {
  const LevelSpec& s = spec_.level(l);
  const int64_t out = s.prefix * spec_.shape(l - 1).width;
  const int64_t stride = tape_.level(l).decoder.parts()[0].rows * spec_.shape(l - 1).width;
  const int64_t in = s.converter_context * s.shape.width;
  c.matmul(c.stream, "converter",
           WeightGradient{.d = residual_,
                          .d_stride = stride,
                          .x = tape_.level(l).conditioning,
                          .x_stride = in,
                          .gradient = c.g.level(l).converter,
                          .rows = tape_.units(l),
                          .in = in,
                          .out_width = out});
  column_sums(c.stream, {.d = residual_,
                         .d_stride = stride,
                         .sums = c.g.level(l).converter_bias,
                         .workspace = scratch_.partial,
                         .rows = tape_.units(l),
                         .width = static_cast<int32_t>(out)});
  c.matmul(c.stream, "converter",
           InputGradient{.d = residual_,
                         .d_stride = stride,
                         .weight = c.w.level(l).converter,
                         .out = scratch_.d_normed,
                         .out_stride = in,
                         .rows = tape_.units(l),
                         .in = in,
                         .out_width = out});
  conditioning_backward(c.stream, {.d = scratch_.d_normed,
                                   .d_latents = d_xhat(l),
                                   .d_start = c.g.level(l).start,
                                   .rows = tape_.sequences(),
                                   .chunks = static_cast<int32_t>(tape_.units(l) / tape_.sequences()),
                                   .context = static_cast<int32_t>(s.converter_context),
                                   .width = static_cast<int32_t>(s.shape.width),
                                   .previous = spec_.conditioning(l) == Conditioning::previous});
}

void ModelBackward::encode_level(const Context& c, int l) const {
  const Stream::Scope scope(c.stream, "encoder", l);
  const StackTape& stack = tape_.level(l).encoder;
  const int64_t width = spec_.shape(l).width;
  rms_norm_backward(c.stream, {.x = stack.parts()[0].last,
                               .x_stride = width,
                               .gain = c.w.level(l).encoder.norm,
                               .d_out_float = level(l).d_x,
                               .d_out_stride = width,
                               .d_x = residual_,
                               .d_x_stride = width,
                               .d_gain = c.g.level(l).encoder.norm,
                               .workspace = scratch_.partial,
                               .groups = tape_.units(l),
                               .width = static_cast<int32_t>(width),
                               .eps = static_cast<float>(spec_.norm_eps)});
  backward(layer_context(c, l), c.w.level(l).encoder, c.g.level(l).encoder, stack, 0, scratch_, residual_);
  if (level(l).d_a != nullptr) {
    add_rows(c.stream, {.from_float = level(l).d_a,
                        .from_stride = width,
                        .to = residual_,
                        .to_stride = width,
                        .groups = tape_.units(l),
                        .width = static_cast<int32_t>(width)});
  }
  if (l >= 2) chunker(c, l);
}

void ModelBackward::chunker(const Context& c, int l) const {
  const int64_t width = spec_.shape(l).width;
  const int64_t in = spec_.level(l).chunk * spec_.shape(l - 1).width;
  c.matmul(c.stream, "chunker",
           WeightGradient{.d = residual_,
                          .d_stride = width,
                          .x = tape_.level(l).chunk_normed,
                          .x_stride = in,
                          .gradient = c.g.level(l).chunker_proj,
                          .rows = tape_.units(l),
                          .in = in,
                          .out_width = width});
  column_sums(c.stream, {.d = residual_,
                         .d_stride = width,
                         .sums = c.g.level(l).chunker_bias,
                         .workspace = scratch_.partial,
                         .rows = tape_.units(l),
                         .width = static_cast<int32_t>(width)});
  c.matmul(c.stream, "chunker",
           InputGradient{.d = residual_,
                         .d_stride = width,
                         .weight = c.w.level(l).chunker_proj,
                         .out = scratch_.d_normed,
                         .out_stride = in,
                         .rows = tape_.units(l),
                         .in = in,
                         .out_width = width});
  rms_norm_backward(c.stream, {.x = tape_.x(l - 1),
                               .x_stride = in,
                               .gain = c.w.level(l).chunker_norm,
                               .d_out = scratch_.d_normed,
                               .d_out_stride = in,
                               .d_x_float = level(l - 1).d_x,
                               .d_x_stride = in,
                               .d_gain = c.g.level(l).chunker_norm,
                               .workspace = scratch_.partial,
                               .groups = tape_.units(l),
                               .width = static_cast<int32_t>(in),
                               .eps = static_cast<float>(spec_.norm_eps)});
}

}  // namespace photon::PHOTON_GPU
