#include "core/model_spec.h"

#include <fmt/format.h>

#include "core/error.h"

namespace photon {
namespace {

// Products of sizes stay below this, so that no count in the cost model can overflow.
constexpr int64_t max_size = int64_t{1} << 31;

void check_range(const std::string& where, std::string_view key, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high) {
    throw Error(fmt::format("{}: {} = {} is out of range, {} to {} is allowed", where, key, value, low, high));
  }
}

void check_shape(const std::string& where, const StackShape& s) {
  check_range(where, "width", s.width, 2, 1 << 20);
  check_range(where, "ffn", s.ffn, 1, 1 << 22);
  check_range(where, "heads", s.heads, 1, 1 << 16);
  check_range(where, "kv_heads", s.kv_heads, 1, s.heads);
  if (s.width % s.heads != 0) {
    throw Error(fmt::format("{}: width {} does not divide into {} heads", where, s.width, s.heads));
  }
  if (s.head_size() % 2 != 0) {
    throw Error(fmt::format("{}: head size {} (width {} / heads {}) is odd, the rotation needs an even one", where,
                            s.head_size(), s.width, s.heads));
  }
  if (s.heads % s.kv_heads != 0) {
    throw Error(fmt::format("{}: {} heads do not divide among {} kv_heads", where, s.heads, s.kv_heads));
  }
}

}  // namespace

int64_t ModelSpec::cumulative_chunk(int l) const {
  int64_t product = 1;
  for (int k = 1; k <= l; ++k) product *= level(k).chunk;
  return product;
}

int64_t ModelSpec::embedding_width() const { return level(1).shape.width / level(1).chunk; }

Conditioning ModelSpec::conditioning(int l) const {
  const bool own_latent = reading == Reading::causal || reading == Reading::parallel;
  return l < depth() && own_latent ? Conditioning::current : Conditioning::previous;
}

Feedback ModelSpec::feedback(int l) const {
  if (l == 1) return depth() > 0 && reading == Reading::hatted ? Feedback::reconstructed : Feedback::token;
  return reading == Reading::causal ? Feedback::observed : Feedback::reconstructed;
}

std::string_view ModelSpec::architecture() const {
  return depth() == 0 ? "vanilla" : depth() == 1 ? "block" : "photon";
}

void ModelSpec::validate() const {
  const std::string where = name.empty() ? "model" : fmt::format("model '{}'", name);
  check_range(where, "vocab", vocab, 1, int64_t{1} << 24);
  check_shape(where, base);
  if (!(rope_theta > 1.0)) throw Error(fmt::format("{}: rope_theta = {} must be above 1", where, rope_theta));
  if (!(norm_eps > 0.0 && norm_eps < 1.0)) {
    throw Error(fmt::format("{}: norm_eps = {} must lie between 0 and 1", where, norm_eps));
  }
  if (levels.empty()) {
    check_range(where, "layers", layers, 1, 1 << 12);
    return;
  }
  if (layers != 0) {
    throw Error(fmt::format("{}: layers = {} beside {} levels; a hierarchy gives its layers a level", where, layers,
                            levels.size()));
  }
  check_range(where, "number of levels", depth(), 0, 8);
  int64_t tokens = 1;
  for (int l = 1; l <= depth(); ++l) {
    const LevelSpec& s = level(l);
    const std::string here = fmt::format("{}, level {}", where, l);
    check_range(here, "chunk", s.chunk, 1, 1 << 16);
    check_range(here, "prefix", s.prefix, 1, 1 << 10);
    check_range(here, "encoder_layers", s.encoder_layers, 1, 1 << 12);
    check_range(here, "decoder_layers", s.decoder_layers, 1, 1 << 12);
    check_range(here, "converter_context", s.converter_context, 1, 1 << 10);
    check_shape(here, s.shape);
    tokens *= s.chunk;
    check_range(here, "tokens in one unit", tokens, 1, 1 << 20);
    if (s.encoder_window.kind == EncoderWindow::Kind::units) {
      check_range(here, "encoder_window", s.encoder_window.units, 1, max_size);
    }
    if (l == depth() && s.encoder_window.kind != EncoderWindow::Kind::unbounded) {
      throw Error(fmt::format("{}: encoder_window is refused at the top level, whose encoder carries the past", here));
    }
  }
  if (level(1).shape.width % level(1).chunk != 0) {
    throw Error(fmt::format("{}, level 1: width {} does not divide into {} token embeddings (chunk)", where,
                            level(1).shape.width, level(1).chunk));
  }
}

std::string_view to_string(Reading reading) {
  switch (reading) {
    case Reading::causal: return "causal";
    case Reading::parallel: return "parallel";
    case Reading::literal: return "literal";
    case Reading::hatted: return "hatted";
  }
  return "";
}

}  // namespace photon
