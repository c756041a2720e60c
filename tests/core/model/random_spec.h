// SPDX-License-Identifier: Apache-2.0
// Random models of any depth, unequal widths and windows, for tests of counts: no weights are made.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "core/model/generation.h"
#include "core/model/model_spec.h"

namespace photon::testing {

class SpecDice {
 public:
  explicit SpecDice(uint64_t seed) : engine_(seed) {}

  int64_t operator()(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }

  ModelSpec spec(int depth) {
    ModelSpec spec;
    spec.name = "random";
    spec.vocab = (*this)(1, 300);
    spec.base = shape(1);
    spec.reading = static_cast<Reading>((*this)(0, 3));
    if (depth == 0) spec.layers = (*this)(1, 4);
    for (int l = 1; l <= depth; ++l) {
      LevelSpec s;
      s.chunk = (*this)(1, 4);
      s.prefix = (*this)(1, 3);
      s.encoder_layers = (*this)(1, 3);
      s.decoder_layers = (*this)(1, 3);
      s.converter_context = (*this)(1, 3);
      s.shape = shape(l == 1 ? s.chunk : 1);
      if (l < depth) {
        s.encoder_window.kind = static_cast<EncoderWindow::Kind>((*this)(0, 2));
        if (s.encoder_window.kind == EncoderWindow::Kind::units) s.encoder_window.units = (*this)(1, 9);
      }
      spec.levels.push_back(s);
    }
    spec.validate();
    return spec;
  }

 private:
  StackShape shape(int64_t divisor) {
    const int64_t kv_heads = (*this)(1, 3);
    const int64_t heads = kv_heads * (*this)(1, 3);
    return {.width = heads * divisor * 2 * (*this)(1, 4),
            .ffn = (*this)(1, 40),
            .heads = heads,
            .kv_heads = kv_heads};
  }

  std::mt19937_64 engine_;
};

}  // namespace photon::testing
