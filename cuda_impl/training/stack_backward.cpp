// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/training/stack_backward.h"

#include <algorithm>

#include "cuda_impl/kernels/column_sums.h"
#include "cuda_impl/kernels/local_attention_backward.h"
#include "cuda_impl/kernels/prefill_attention_backward.h"
#include "cuda_impl/kernels/rms_norm_backward.h"
#include "cuda_impl/kernels/rotate_back.h"
#include "cuda_impl/kernels/swiglu_backward.h"
#include "cuda_impl/model/stack.h"

namespace photon::PHOTON_GPU {
namespace {

/// Of one layer and part.
struct LayerBackward {
  const LayerContext& c;
  const LayerWeights& w;
  const LayerView<float>& g;
  const StackTape& tape;
  size_t part;
  size_t layer;
  const BackwardScratch& scratch;
  bf16* d;

  int64_t rows() const { return tape.rows(part); }
  const LayerTape& kept() const { return tape.parts()[part].layers[layer]; }

  /// Of out (rows, out_width) = x (rows, in) · weightᵀ: the weight's gradient and that of x.
  void product(const char* op, const bf16* d_out, const bf16* x, const bf16* weight, float* gradient,
               bf16* d_x, int64_t in, int64_t out_width) const {
    c.matmul(c.stream, op,
             InputGradient{.d = d_out,
                           .d_stride = out_width,
                           .weight = weight,
                           .out = d_x,
                           .out_stride = in,
                           .rows = rows(),
                           .in = in,
                           .out_width = out_width});
    c.matmul(c.stream, op,
             WeightGradient{.d = d_out,
                            .d_stride = out_width,
                            .x = x,
                            .x_stride = in,
                            .gradient = gradient,
                            .rows = rows(),
                            .in = in,
                            .out_width = out_width});
  }

  /// Adds what went through a norm to the residual stream's gradient.
  void norm(const bf16* x, const bf16* gain, float* d_gain, int64_t width) const {
    rms_norm_backward(c.stream, {.x = x,
                                 .x_stride = width,
                                 .gain = gain,
                                 .d_out = scratch.d_normed,
                                 .d_out_stride = width,
                                 .d_x = d,
                                 .d_x_stride = width,
                                 .add = true,
                                 .d_gain = d_gain,
                                 .workspace = scratch.partial,
                                 .groups = rows(),
                                 .width = static_cast<int32_t>(width),
                                 .eps = c.eps});
  }

  void ffn() const {
    const StackShape& s = tape.shape().stack;
    const LayerTape& t = kept();
    product("down", d, t.hidden, w.down, g.down, scratch.d_hidden, s.ffn, s.width);
    // Nothing reads gate and up after this.
    swiglu_backward(c.stream, {.gate_up = t.gate_up,
                               .d_out = scratch.d_hidden,
                               .d_gate_up = t.gate_up,
                               .rows = rows(),
                               .ffn = static_cast<int32_t>(s.ffn)});
    product("gate_up", t.gate_up, t.ffn_normed, w.gate_up, g.gate_up, scratch.d_normed, s.width, 2 * s.ffn);
    norm(t.middle, w.ffn_norm, g.ffn_norm, s.width);
  }

  void attention() const {
    const StackShape& s = tape.shape().stack;
    const LayerTape& t = kept();
    bf16* d_attended = scratch.d_normed;
    product("attention_out", d, t.attended, w.o, g.o, d_attended, s.width, s.width);
    if (tape.shape().windows) {
      windows(d_attended);
    } else {
      sequences(d_attended);
    }
    product("qkv", scratch.d_qkv, t.normed, w.qkv, g.qkv, scratch.d_normed, s.width,
            s.width + 2 * s.kv_width());
    norm(t.input, w.attention_norm, g.attention_norm, s.width);
  }

  void sequences(const bf16* d_attended) const {
    const TapeShape& shape = tape.shape();
    const AttentionShape heads = attention_shape(shape.stack);
    const LayerTape& t = kept();
    const auto units = static_cast<int32_t>(tape.parts()[part].rows);
    prefill_attention_backward(c.stream, {.shape = heads,
                                          .qkv = t.qkv,
                                          .out = t.attended,
                                          .lse = t.lse,
                                          .d_out = d_attended,
                                          .d_qkv = scratch.d_qkv,
                                          .workspace = scratch.partial,
                                          .sequences = shape.sequences,
                                          .units = units,
                                          .visible = shape.visible});
    rotate_back(c.stream, {.shape = heads,
                           .d_qkv = scratch.d_qkv,
                           .rotations = c.rotations,
                           .sequences = shape.sequences,
                           .units = units});
  }

  void windows(const bf16* d_attended) const {
    const TapeShape& shape = tape.shape();
    const StackTape::Part& p = tape.parts()[part];
    const int64_t window = shape.length();
    const auto cache = static_cast<int64_t>(layer) * shape.sequences * window * shape.stack.kv_width();
    const bool parts = shape.in_parts();
    local_attention_backward(c.stream, {.shape = attention_shape(shape.stack),
                                        .qkv = kept().qkv,
                                        .rotations = c.rotations,
                                        .k = tape.k(layer),
                                        .v = tape.v(layer),
                                        .d_out = d_attended,
                                        .d_qkv = scratch.d_qkv,
                                        .d_k = parts ? scratch.d_k + cache : nullptr,
                                        .d_v = parts ? scratch.d_v + cache : nullptr,
                                        .chunks = shape.sequences,
                                        .window = static_cast<int32_t>(window),
                                        .length = static_cast<int32_t>(p.first),
                                        .rows = static_cast<int32_t>(p.rows)});
  }
};

int64_t cache_elements(const TapeShape& shape) {
  return shape.in_parts() ? shape.layers * shape.sequences * shape.length() * shape.stack.kv_width() : 0;
}

}  // namespace

void BackwardScratch::make_room(const TapeShape& shape) {
  const StackShape& s = shape.stack;
  for (const int64_t part : shape.parts) {
    const int64_t rows = shape.sequences * part;
    hidden_ = std::max(hidden_, rows * s.ffn);
    normed_ = std::max(normed_, rows * s.width);
    qkv_ = std::max(qkv_, rows * (s.width + 2 * s.kv_width()));
    make_room_for_sums(rows, s.width);
    if (!shape.windows) {
      partial_ = std::max(partial_, prefill_attention_backward_workspace(attention_shape(s), shape.sequences,
                                                                         static_cast<int32_t>(part)));
    }
  }
  cache_ = std::max(cache_, cache_elements(shape));
}

void BackwardScratch::make_room_for_sums(int64_t rows, int64_t width) {
  partial_ = std::max({partial_, rms_norm_backward_workspace(rows, static_cast<int32_t>(width)),
                       column_sums_workspace(rows, static_cast<int32_t>(width))});
}

void BackwardScratch::make_room_for_rows(int64_t rows, int64_t width) {
  normed_ = std::max(normed_, rows * width);
}

void BackwardScratch::lay_out(Arena& arena) {
  constexpr auto use = Arena::Use::workspace;
  d_hidden = arena.take<bf16>(use, hidden_);
  d_normed = arena.take<bf16>(use, normed_);
  d_qkv = arena.take<bf16>(use, qkv_);
  partial = arena.take<float>(use, partial_);
  d_k = arena.take<float>(use, cache_);
  d_v = arena.take<float>(use, cache_);
}

void begin_backward(Stream& stream, const StackTape& tape, const BackwardScratch& scratch) {
  const int64_t bytes = cache_elements(tape.shape()) * static_cast<int64_t>(sizeof(float));
  stream.clear(scratch.d_k, bytes);
  stream.clear(scratch.d_v, bytes);
}

void backward(const LayerContext& context, const StackWeights& w, const StackGradients& g,
              const StackTape& tape, size_t part, const BackwardScratch& scratch, bf16* d) {
  for (size_t i = w.layers.size(); i-- > 0;) {
    {
      const Stream::Scope scope(context.stream, "again");
      compute_again(context, w, tape, part, i);
    }
    const LayerBackward layer{context, w.layers[i], g.layers[i], tape, part, i, scratch, d};
    layer.ffn();
    layer.attention();
  }
}

}  // namespace photon::PHOTON_GPU
