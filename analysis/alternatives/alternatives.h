// SPDX-License-Identifier: Apache-2.0
// Everything that users weigh against PHOTON, for a base model of one size, beside PHOTON and the Block
// Transformer from core/cost: bytes of keys and values that a sample holds, and that decoding a token moves.
// Weights are not in it, and nothing here says what answers are worth.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/model_spec.h"

namespace photon::analysis::alternatives {

/// What becomes of the base model's answers.
enum class Answers {
  same,           ///< nothing: only where the cache lies changes
  trained,        ///< another model, trained so
  rounded,        ///< of the same weights, with rounded keys and values
  tokens_dropped  ///< of the same weights, without the tokens that were dropped
};
std::string_view to_string(Answers answers);

/// Of one sample, bytes.
struct Cost {
  double held = 0.0;  ///< at the end of the context
  double read = 0.0;  ///< for a token; mean over the last tokens of the context
  double written = 0.0;

  double moved() const { return read + written; }
};

/// Tokens over which Cost is a mean.
constexpr int64_t answer_tokens = 128;
/// Shortest and longest context that costs are told for.
constexpr int64_t shortest_context = 1024;
constexpr int64_t longest_context = int64_t{1} << 24;

struct Alternative {
  std::string name;     ///< "multi-query"
  std::string setting;  ///< "1 KV head"
  std::string source;   ///< "arXiv 1911.02150, section 3"
  Answers answers = Answers::same;
  bool in_figures = true;  ///< no other line lies under it
  std::function<Cost(int64_t context)> at;
};

/// `base` is vanilla with as many KV heads as heads and a multiple of four layers, so that a Block
/// Transformer of two stacks and a PHOTON of four have as many; throws Error otherwise. `element_bytes` of
/// keys and values where nothing else is said.
std::vector<Alternative> alternatives(const ModelSpec& base, int64_t element_bytes);

/// The base's layers in two stacks for each of L levels, chunks of four tokens or units, two prefix vectors:
/// the paper's Block Transformer (L = 1) and PHOTON (L = 2). Throws Error where layers or width do not
/// divide.
ModelSpec hierarchy_of(const ModelSpec& base, int levels);

}  // namespace photon::analysis::alternatives
