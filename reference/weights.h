// SPDX-License-Identifier: Apache-2.0
// Typed views of the flat parameter array (core/model/parameters.h): the same struct over one array is the
// model's weights, over another its gradients. q, k, v and gate, up are adjacent in the array, so each group
// is one matrix here.
#pragma once

#include <vector>

#include "core/model/model_spec.h"
#include "reference/types.h"

namespace photon::reference {

template <class S>
struct LayerWeights {
  RowMap<S> attention_norm;  // (D)
  MatrixMap<S> qkv;          // (D + 2 kv_width, D)
  MatrixMap<S> out;          // (D, D)
  RowMap<S> ffn_norm;        // (D)
  MatrixMap<S> gate_up;      // (2 F, D)
  MatrixMap<S> down;         // (D, F)
};

template <class S>
struct StackWeights {
  StackShape shape;
  std::vector<LayerWeights<S>> layers;
  RowMap<S> norm;  // (D)
};

template <class S>
struct ChunkerWeights {
  RowMap<S> norm;     // (C_l D_{l-1}); level 1 has none of the three
  MatrixMap<S> proj;  // (D_l, C_l D_{l-1})
  RowMap<S> bias;     // (D_l)
};

template <class S>
struct LevelWeights {
  ChunkerWeights<S> chunker;
  StackWeights<S> encoder;
  RowMap<S> start;           // (D_l)
  MatrixMap<S> converter;    // (R_l D_{l-1}, K D_l)
  RowMap<S> converter_bias;  // (R_l D_{l-1})
  StackWeights<S> decoder;
};

template <class S>
struct Weights {
  MatrixMap<S> encoder_embedding;       // (V, D_1 / C_1)
  std::vector<LevelWeights<S>> levels;  // level 1 first; for L = 0 one entry whose decoder is the stack
  MatrixMap<S> decoder_embedding;       // (V, D_0)
  MatrixMap<S> head;                    // (V, D_0)

  const LevelWeights<S>& level(int l) const { return levels[l - 1]; }
  LevelWeights<S>& level(int l) { return levels[l - 1]; }
};

/// `flat` holds parameter_elements(spec) values in parameter_list order and must outlive the views.
template <class S>
Weights<S> view_weights(const ModelSpec& spec, S* flat);

}  // namespace photon::reference
