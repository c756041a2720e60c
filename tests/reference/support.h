// SPDX-License-Identifier: Apache-2.0
// Small random models and batches for the tests of the reference.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/backend/backend.h"
#include "core/model/model_spec.h"
#include "core/model/parameters.h"
#include "reference/types.h"
#include "tests/support.h"

namespace photon::testing {

inline LevelSpec small_level(int64_t chunk, int64_t prefix, StackShape shape, int64_t encoder_layers = 1,
                             int64_t decoder_layers = 1) {
  LevelSpec s;
  s.chunk = chunk;
  s.prefix = prefix;
  s.encoder_layers = encoder_layers;
  s.decoder_layers = decoder_layers;
  s.shape = shape;
  return s;
}

/// A model of depth 0 .. 3 with unequal widths, grouped-query attention and odd sizes.
inline ModelSpec small_spec(int depth, Reading reading = Reading::causal) {
  ModelSpec spec;
  spec.name = "small-" + std::to_string(depth);
  spec.vocab = 11;
  spec.base = {.width = 8, .ffn = 5, .heads = 4, .kv_heads = 2};
  spec.reading = reading;
  spec.rope_theta = 100.0;
  if (depth == 0) spec.layers = 2;
  if (depth >= 1)
    spec.levels.push_back(small_level(3, 2, {.width = 12, .ffn = 7, .heads = 3, .kv_heads = 1}, 2, 2));
  if (depth >= 2) spec.levels.push_back(small_level(2, 1, {.width = 8, .ffn = 6, .heads = 2, .kv_heads = 2}));
  if (depth >= 3) spec.levels.push_back(small_level(2, 3, {.width = 4, .ffn = 9, .heads = 1, .kv_heads = 1}));
  spec.validate();
  return spec;
}

/// Weights large enough that every path matters; gains around 1, biases and start latents not zero.
inline reference::AlignedVector<double> random_parameters(const ModelSpec& spec, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  reference::AlignedVector<double> values;
  for (const auto& p : parameter_list(spec)) {
    const double scale = p.shape.size() == 2 ? 1.0 / std::sqrt(static_cast<double>(p.shape[1])) : 0.3;
    const double base = p.init == ParameterInfo::Init::ones ? 1.0 : 0.0;
    for (int64_t i = 0; i < p.size(); ++i) values.push_back(base + scale * normal(engine));
  }
  return values;
}

inline TokenBatch random_batch(const ModelSpec& spec, int64_t rows, int64_t length, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::uniform_int_distribution<int32_t> token(0, static_cast<int32_t>(spec.vocab) - 1);
  TokenBatch batch{rows, length, {}};
  for (int64_t i = 0; i < rows * length; ++i) batch.ids.push_back(token(engine));
  return batch;
}

}  // namespace photon::testing
