// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/model/stack.h"

#include <algorithm>

#include "cuda_impl/kernels/prefill_attention.h"

namespace photon::PHOTON_GPU {

AttentionShape attention_shape(const StackShape& shape) {
  return {static_cast<int32_t>(shape.heads), static_cast<int32_t>(shape.kv_heads),
          static_cast<int32_t>(shape.head_size())};
}

StackScratch StackScratch::plan(Arena& arena, int64_t rows, std::span<const StackShape> shapes,
                                int64_t widest_norm) {
  int64_t packed = 0;
  int64_t width = 0;
  int64_t ffn = 0;
  for (const StackShape& s : shapes) {
    packed = std::max(packed, s.width + 2 * s.kv_width());
    width = std::max(width, s.width);
    ffn = std::max(ffn, s.ffn);
  }
  constexpr auto use = Arena::Use::workspace;
  StackScratch s;
  s.linear.normed = arena.take<bf16>(use, rows * std::max(width, widest_norm));
  s.linear.gate_up = arena.take<bf16>(use, rows * 2 * ffn);
  s.qkv = arena.take<bf16>(use, rows * packed);
  s.attended = arena.take<bf16>(use, rows * width);
  s.activated = arena.take<bf16>(use, rows * ffn);
  return s;
}

void run_layers(Stream& stream, Linears& linear, const StackWeights& w, const StackScratch& scratch, bf16* x,
                int64_t rows, const std::function<void(size_t layer)>& attend) {
  const int64_t width = w.shape.width;
  const int64_t packed = width + 2 * w.shape.kv_width();
  for (size_t i = 0; i < w.layers.size(); ++i) {
    const LayerWeights& layer = w.layers[i];
    linear(stream, "qkv",
           {.x = x,
            .x_stride = width,
            .gain = layer.attention_norm,
            .weight = layer.qkv,
            .out = scratch.qkv,
            .out_stride = packed,
            .rows = rows,
            .in = width,
            .out_width = packed},
           scratch.linear);
    attend(i);
    linear(stream, "attention_out",
           {.x = scratch.attended,
            .x_stride = width,
            .weight = layer.o,
            .accumulate = true,
            .out = x,
            .out_stride = width,
            .rows = rows,
            .in = width,
            .out_width = width},
           scratch.linear);
    linear(stream, "gate_up",
           {.x = x,
            .x_stride = width,
            .gain = layer.ffn_norm,
            .weight = layer.gate_up,
            .swiglu = true,
            .out = scratch.activated,
            .out_stride = w.shape.ffn,
            .rows = rows,
            .in = width,
            .out_width = w.shape.ffn},
           scratch.linear);
    linear(stream, "down",
           {.x = scratch.activated,
            .x_stride = w.shape.ffn,
            .weight = layer.down,
            .accumulate = true,
            .out = x,
            .out_stride = width,
            .rows = rows,
            .in = w.shape.ffn,
            .out_width = width},
           scratch.linear);
  }
}

void run_sequences(Stream& stream, Linears& linear, const StackWeights& w, const StackScratch& scratch,
                   bf16* x, const Sequences& sequences) {
  const AttentionShape shape = attention_shape(w.shape);
  const auto attend = [&](size_t layer) {
    RotateAppend append;
    append.shape = shape;
    append.qkv = scratch.qkv;
    append.rotations = sequences.rotations;
    append.rows = sequences.count;
    append.units = static_cast<int32_t>(sequences.units);
    append.keys_in_place = true;
    if (sequences.keep) sequences.keep(layer, append);
    rotate_append(stream, append, sequences.stored);
    prefill_attention(stream, {.shape = shape,
                               .qkv = scratch.qkv,
                               .out = scratch.attended,
                               .sequences = sequences.count,
                               .units = static_cast<int32_t>(sequences.units),
                               .visible = sequences.visible});
  };
  run_layers(stream, linear, w, scratch, x, sequences.count * sequences.units, attend);
}

VisibleUnits visible_units(const ModelSpec& spec, int l) {
  const Visibility visibility = spec.visibility(l);
  VisibleUnits out;
  if (visibility.window.kind == EncoderWindow::Kind::units)
    out.window = static_cast<int32_t>(visibility.window.units);
  if (visibility.window.kind == EncoderWindow::Kind::block)
    out.block = static_cast<int32_t>(visibility.block);
  return out;
}

}  // namespace photon::PHOTON_GPU
