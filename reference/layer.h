// SPDX-License-Identifier: Apache-2.0
// One LLaMA layer: pre-norm attention, then pre-norm SwiGLU, each added to the residual stream. What the
// attention sees (its own rows, earlier parts of a decoder window, a cache) is the caller's.
#pragma once

#include <cstdint>
#include <span>

#include "reference/linear.h"
#include "reference/norm.h"
#include "reference/rope.h"
#include "reference/swiglu.h"
#include "reference/weights.h"

namespace photon::reference {

/// Every activation of one layer over n rows; kept for backward in training, scratch in generation.
template <class S>
struct LayerTape {
  Matrix<S> input;       // (n, D)
  Matrix<S> normed;      // (n, D)
  Matrix<S> qkv;         // (n, D + 2 kv_width), q and k rotated
  Matrix<S> attended;    // (n, D)
  Matrix<S> middle;      // (n, D), after attention's residual
  Matrix<S> ffn_normed;  // (n, D)
  Matrix<S> gate_up;     // (n, 2 F)
  Matrix<S> hidden;      // (n, F)
};

/// From t.input to `output` (n, D). `attend(t)` fills t.attended from t.qkv. Row r stands at positions[r].
template <class S, class Attend>
void layer_forward(const LayerWeights<S>& w, const StackShape& shape, double eps, const Rope<S>& rope,
                   std::span<const int64_t> positions, LayerTape<S>& t, Attend attend, Matrix<S>& output) {
  const Index n = t.input.rows();
  rms_norm<S>(t.input, w.attention_norm, eps, t.normed);
  t.qkv.resize(n, w.qkv.rows());
  linear<S>(t.normed, w.qkv, t.qkv);
  rope.rotate(t.qkv.leftCols(shape.width + shape.kv_width()), shape.heads + shape.kv_heads, positions, false);
  t.attended.resize(n, shape.width);
  attend(t);
  t.middle = t.input;
  linear<S>(t.attended, w.out, t.middle, true);
  rms_norm<S>(t.middle, w.ffn_norm, eps, t.ffn_normed);
  t.gate_up.resize(n, w.gate_up.rows());
  linear<S>(t.ffn_normed, w.gate_up, t.gate_up);
  swiglu<S>(t.gate_up, t.hidden);
  output = t.middle;
  linear<S>(t.hidden, w.down, output, true);
}

/// Scratch of layer_backward, reused from layer to layer.
template <class S>
struct LayerBackwardScratch {
  Matrix<S> d_hidden;
  Matrix<S> d_gate_up;
  Matrix<S> d_normed;
  Matrix<S> d_attended;
};

/// d (n, D): on entry the gradient of the layer's output, on return that of its input. `attend_backward` adds
/// to d_qkv, which on entry holds what later queries gave this layer's keys and values.
template <class S, class AttendBackward>
void layer_backward(const LayerWeights<S>& w, LayerWeights<S>& g, const StackShape& shape, double eps,
                    const Rope<S>& rope, std::span<const int64_t> positions, const LayerTape<S>& t,
                    AttendBackward attend_backward, Matrix<S>& d_qkv, LayerBackwardScratch<S>& scratch,
                    Matrix<S>& d) {
  const Index n = d.rows();
  scratch.d_hidden.resize(n, w.down.cols());
  linear_input_gradient<S>(d, w.down, scratch.d_hidden);
  linear_weight_gradient<S>(d, t.hidden, g.down);
  swiglu_backward<S>(t.gate_up, scratch.d_hidden, scratch.d_gate_up);
  linear_weight_gradient<S>(scratch.d_gate_up, t.ffn_normed, g.gate_up);
  scratch.d_normed.resize(n, shape.width);
  linear_input_gradient<S>(scratch.d_gate_up, w.gate_up, scratch.d_normed);
  rms_norm_backward<S>(t.middle, w.ffn_norm, eps, scratch.d_normed, d, g.ffn_norm);

  scratch.d_attended.resize(n, shape.width);
  linear_input_gradient<S>(d, w.out, scratch.d_attended);
  linear_weight_gradient<S>(d, t.attended, g.out);
  attend_backward(t, scratch.d_attended);
  rope.rotate(d_qkv.leftCols(shape.width + shape.kv_width()), shape.heads + shape.kv_heads, positions, true);
  linear_weight_gradient<S>(d_qkv, t.normed, g.qkv);
  linear_input_gradient<S>(d_qkv, w.qkv, scratch.d_normed);
  rms_norm_backward<S>(t.input, w.attention_norm, eps, scratch.d_normed, d, g.attention_norm);
}

}  // namespace photon::reference
