// SPDX-License-Identifier: Apache-2.0
// The one description of all architectures: a hierarchy of L levels over the token stream (PHOTON, section 2
// of the paper). L = 0 is a vanilla Transformer, L = 1 the Block Transformer, L >= 2 PHOTON. Both back ends,
// the cost model and the command line read this and nothing else about a model's shape.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/visibility.h"

namespace photon {

/// What conditions a chunk below the top and what is fed back while it is made (docs/dataflow.md).
enum class Reading { causal, parallel, literal, hatted };

/// Below the top, chunk g is conditioned on its own latent Xhat_g or on the one before, Xhat_{g-1}.
enum class Conditioning { current, previous };

/// What follows a made unit into the decoder's window: X^(l-1) of the encoder, Xhat^(l-1), or the token's
/// embedding.
enum class Feedback { observed, reconstructed, token };

/// The shape shared by all layers that work at one level's width.
struct StackShape {
  int64_t width = 0;
  int64_t ffn = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;

  int64_t head_size() const { return width / heads; }
  int64_t kv_width() const { return kv_heads * head_size(); }
  auto operator<=>(const StackShape&) const = default;
};

struct LevelSpec {
  int64_t chunk = 0;   ///< C_l, units of level l-1 in one unit of level l
  int64_t prefix = 0;  ///< R_l, vectors that the converter gives decoder l
  int64_t encoder_layers = 0;
  int64_t decoder_layers = 0;
  EncoderWindow encoder_window;
  int64_t converter_context = 1;  ///< K, latents the converter sees
  StackShape shape;               ///< of encoder l; decoder l works at level l-1's shape
  bool operator==(const LevelSpec&) const = default;
};

/// A rule that a spec breaks, and where.
struct SpecFault {
  int level = 0;         ///< 0: of the model itself
  std::string_view key;  ///< as in the spec on disk
  std::string message;   ///< "chunk = 0 is out of range, 1 to 65536 is allowed"
};

struct ModelSpec {
  std::string name;
  int64_t vocab = 0;
  StackShape base;     ///< level 0: decoder 1, decoder-side embedding and head
  int64_t layers = 0;  ///< of the single stack, L = 0 only
  Reading reading = Reading::causal;
  double rope_theta = 10000.0;
  double norm_eps = 1e-5;
  std::vector<LevelSpec> levels;  ///< level 1 first
  /// What the weights are used to, which is no shape but goes where they go: the token that stood in front of
  /// every text (LLaMA's <s>), and the longest text in tokens; 0 is unknown.
  std::optional<int64_t> begin_of_text = {};
  int64_t trained_context = 0;

  int depth() const { return static_cast<int>(levels.size()); }                    ///< L
  const LevelSpec& level(int l) const { return levels.at(l - 1); }                 ///< l = 1 .. L
  const StackShape& shape(int l) const { return l == 0 ? base : level(l).shape; }  ///< l = 0 .. L
  int64_t cumulative_chunk(int l) const;  ///< C_{<=l}, tokens in one unit of level l; 1 for l = 0
  int64_t meta_context() const { return cumulative_chunk(depth()); }  ///< B_m in tokens; 1 for vanilla
  int64_t embedding_width() const;  ///< of the encoder's token embedding, D_1 / C_1; L >= 1
  int64_t units_per_meta_context(int l) const { return meta_context() / cumulative_chunk(l); }
  /// Stacks with growing caches: encoders first_encoder() .. L. Vanilla's only stack is encoder 0.
  int first_encoder() const { return depth() == 0 ? 0 : 1; }
  int64_t encoder_layers(int l) const { return l == 0 ? layers : level(l).encoder_layers; }
  /// Layers and shape of decoder l; for L = 0, `decoder_layers(1)` is the single stack.
  int64_t decoder_layers(int l) const { return depth() == 0 ? layers : level(l).decoder_layers; }
  /// Of encoder l; of vanilla's stack, l = 0.
  Visibility visibility(int l) const;
  /// The state at position t predicts token t + this: vanilla's stack has read t, a decoder's window ends
  /// before it.
  int64_t target_shift() const { return depth() == 0 ? 1 : 0; }
  Conditioning conditioning(int l) const;  ///< of the chunks of level l (l = 1 .. L); `previous` at the top
  Feedback feedback(int l) const;          ///< inside the chunks of decoder l
  std::string_view architecture() const;   ///< "vanilla", "block" or "photon"
  std::string_view reading_name() const;   ///< of the reading; empty for a vanilla model, which has none

  /// The first rule that is broken, with its numbers.
  std::optional<SpecFault> fault() const;
  /// Throws Error if there is a fault.
  void validate() const;
  bool operator==(const ModelSpec&) const = default;
};

std::string_view to_string(Reading reading);

}  // namespace photon
