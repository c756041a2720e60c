// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/model/stack_tape.h"

#include <algorithm>
#include <numeric>

#include "core/base/error.h"
#include "cuda_impl/device/error.h"
#include "cuda_impl/kernels/local_attention.h"
#include "cuda_impl/kernels/prefill_attention.h"
#include "cuda_impl/kernels/rms_norm.h"
#include "cuda_impl/kernels/rotate_append.h"
#include "cuda_impl/kernels/swiglu.h"
#include "cuda_impl/model/stack.h"

namespace photon::PHOTON_GPU {
namespace {

using Keep = StackTape::Keep;

/// f(activation, elements, kept from this mode on) for every activation of one layer of a part.
template <class F>
void for_each_activation(LayerTape& t, const TapeShape& shape, int64_t part_rows, F f) {
  const StackShape& s = shape.stack;
  const int64_t rows = shape.sequences * part_rows;
  f(t.input, rows * s.width, Keep::input);
  f(t.normed, rows * s.width, Keep::all);
  f(t.qkv, rows * (s.width + 2 * s.kv_width()), Keep::attention);
  f(t.lse, shape.windows ? 0 : rows * s.heads, Keep::attention);
  f(t.attended, rows * s.width, Keep::attention);
  f(t.middle, rows * s.width, Keep::attention);
  f(t.ffn_normed, rows * s.width, Keep::all);
  f(t.gate_up, rows * 2 * s.ffn, Keep::all);
  f(t.hidden, rows * s.ffn, Keep::all);
}

/// Keep's values are in the order of what they keep, most first.
bool keeps(Keep keep, Keep from) {
  return static_cast<int>(keep) <= static_cast<int>(from);
}

/// out = base + x · weightᵀ, or without a base x · weightᵀ.
void multiply(const LayerContext& c, const char* op, const bf16* x, const bf16* weight, const bf16* base,
              bf16* out, int64_t rows, int64_t in, int64_t out_width) {
  c.matmul(c.stream, op,
           {.x = x,
            .x_stride = in,
            .weight = weight,
            .base = base,
            .out = out,
            .out_stride = out_width,
            .rows = rows,
            .in = in,
            .out_width = out_width});
}

void norm(const LayerContext& c, const bf16* x, const bf16* gain, bf16* out, int64_t rows, int64_t width) {
  rms_norm(c.stream, {.x = x,
                      .x_stride = width,
                      .gain = gain,
                      .out = out,
                      .out_stride = width,
                      .rows = rows,
                      .width = static_cast<int32_t>(width),
                      .eps = c.eps});
}

void attend(const LayerContext& c, const StackTape& tape, size_t part, size_t layer) {
  const TapeShape& shape = tape.shape();
  const StackTape::Part& p = tape.parts()[part];
  const LayerTape& t = p.layers[layer];
  const AttentionShape heads = attention_shape(shape.stack);
  if (shape.windows) {
    local_attention(c.stream, {.shape = heads,
                               .qkv = t.qkv,
                               .rotations = c.rotations,
                               .k = tape.k(layer),
                               .v = tape.v(layer),
                               .out = t.attended,
                               .chunks = shape.sequences,
                               .window = static_cast<int32_t>(shape.length()),
                               .length = static_cast<int32_t>(p.first),
                               .rows = static_cast<int32_t>(p.rows)});
    return;
  }
  RotateAppend rotate;
  rotate.shape = heads;
  rotate.qkv = t.qkv;
  rotate.rotations = c.rotations;
  rotate.rows = shape.sequences;
  rotate.units = static_cast<int32_t>(p.rows);
  rotate.keys_in_place = true;
  rotate_append(c.stream, rotate, 0.0);
  prefill_attention(c.stream, {.shape = heads,
                               .qkv = t.qkv,
                               .out = t.attended,
                               .sequences = shape.sequences,
                               .units = static_cast<int32_t>(p.rows),
                               .visible = shape.visible,
                               .lse = t.lse});
}

void attention_half(const LayerContext& c, const LayerWeights& w, const StackTape& tape, size_t part,
                    size_t layer) {
  const StackShape& s = tape.shape().stack;
  const LayerTape& t = tape.parts()[part].layers[layer];
  const int64_t rows = tape.rows(part);
  norm(c, t.input, w.attention_norm, t.normed, rows, s.width);
  multiply(c, "qkv", t.normed, w.qkv, nullptr, t.qkv, rows, s.width, s.width + 2 * s.kv_width());
  attend(c, tape, part, layer);
  multiply(c, "attention_out", t.attended, w.o, t.input, t.middle, rows, s.width, s.width);
}

/// Up to the product that leads back to the residual stream.
void ffn_half(const LayerContext& c, const LayerWeights& w, const StackTape& tape, size_t part,
              size_t layer) {
  const StackShape& s = tape.shape().stack;
  const LayerTape& t = tape.parts()[part].layers[layer];
  const int64_t rows = tape.rows(part);
  norm(c, t.middle, w.ffn_norm, t.ffn_normed, rows, s.width);
  multiply(c, "gate_up", t.ffn_normed, w.gate_up, nullptr, t.gate_up, rows, s.width, 2 * s.ffn);
  swiglu(c.stream, {.gate_up = t.gate_up, .out = t.hidden, .rows = rows, .ffn = static_cast<int32_t>(s.ffn)});
}

}  // namespace

int64_t TapeShape::length() const {
  return std::accumulate(parts.begin(), parts.end(), int64_t{0});
}

StackTape::Keep StackTape::keep(Recompute recompute) {
  switch (recompute) {
    case Recompute::none:
      return Keep::all;
    case Recompute::inner:
      return Keep::attention;
    case Recompute::layer:
      break;
  }
  return Keep::input;
}

void StackTape::Shared::make_room(const TapeShape& shape, Keep keep) {
  for (const int64_t rows : shape.parts) {
    size_t i = 0;
    for_each_activation(tape_, shape, rows, [&](auto*&, int64_t elements, Keep from) {
      if (!keeps(keep, from)) elements_[i] = std::max(elements_[i], elements);
      ++i;
    });
    if (keep == Keep::nothing) {
      last_elements_ = std::max(last_elements_, shape.sequences * rows * shape.stack.width);
    }
  }
}

void StackTape::Shared::lay_out(Arena& arena) {
  TapeShape any;  // sizes are known; what is asked for is each activation's type
  any.stack.heads = 1;
  size_t i = 0;
  for_each_activation(tape_, any, 0, [&]<class T>(T*& activation, int64_t, Keep) {
    activation = arena.take<T>(Arena::Use::workspace, elements_[i++]);
  });
  last_ = arena.take<bf16>(Arena::Use::workspace, last_elements_);
}

StackTape::StackTape(Arena& arena, const TapeShape& shape, Keep keep, const Shared& shared)
    : shape_(shape), keep_(keep) {
  constexpr auto use = Arena::Use::activations;
  const StackShape& s = shape.stack;
  int64_t first = 0;
  for (const int64_t rows : shape.parts) {
    Part part{.first = first, .rows = rows, .layers = {}, .last = nullptr};
    for (int64_t i = 0; i < shape.layers; ++i) {
      LayerTape t = shared.tape_;
      for_each_activation(t, shape, rows, [&]<class T>(T*& activation, int64_t elements, Keep from) {
        if (keeps(keep, from)) activation = arena.take<T>(use, elements);
        if (elements == 0) activation = nullptr;
      });
      part.layers.push_back(t);
    }
    part.last =
        keep == Keep::nothing ? shared.last_ : arena.take<bf16>(use, shape.sequences * rows * s.width);
    parts_.push_back(std::move(part));
    first += rows;
  }
  if (!shape.in_parts()) return;
  for (int64_t i = 0; i < shape.layers; ++i) {
    for (auto* cache : {&k_, &v_}) {
      cache->push_back(
          arena.take<bf16>(Arena::Use::local_cache, shape.sequences * shape.length() * s.kv_width()));
    }
  }
}

void forward(const LayerContext& context, const StackWeights& w, const StackTape& tape, size_t part) {
  const StackTape::Part& p = tape.parts()[part];
  const StackShape& s = tape.shape().stack;
  for (size_t i = 0; i < p.layers.size(); ++i) {
    attention_half(context, w.layers[i], tape, part, i);
    ffn_half(context, w.layers[i], tape, part, i);
    bf16* out = i + 1 < p.layers.size() ? p.layers[i + 1].input : p.last;
    multiply(context, "down", p.layers[i].hidden, w.layers[i].down, p.layers[i].middle, out, tape.rows(part),
             s.ffn, s.width);
  }
}

void compute_again(const LayerContext& context, const StackWeights& w, const StackTape& tape, size_t part,
                   size_t layer) {
  const LayerTape& t = tape.parts()[part].layers[layer];
  switch (tape.kept()) {
    case Keep::all:
      return;
    case Keep::attention:
      norm(context, t.input, w.layers[layer].attention_norm, t.normed, tape.rows(part),
           tape.shape().stack.width);
      break;
    case Keep::input:
      attention_half(context, w.layers[layer], tape, part, layer);
      break;
    case Keep::nothing:
      throw Error("a stack that kept nothing cannot be differentiated");
  }
  ffn_half(context, w.layers[layer], tape, part, layer);
}

}  // namespace photon::PHOTON_GPU
