// SPDX-License-Identifier: Apache-2.0
#include "core/model/model_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace photon {
namespace {

// Products of sizes stay below this, so that no count in the cost model can overflow.
constexpr int64_t max_size = int64_t{1} << 31;

using Fault = std::optional<SpecFault>;

Fault out_of_range(int level, std::string_view key, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return SpecFault{level, key,
                   fmt::format("{} = {} is out of range, {} to {} is allowed", key, value, low, high)};
}

// A name is a folder's and a CSV cell's, too; a spec that is never stored may do without.
bool is_plain(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return name.size() <= 100 && !name.starts_with('.') && std::all_of(name.begin(), name.end(), allowed);
}

Fault shape_fault(int level, const StackShape& s) {
  if (auto f = out_of_range(level, "width", s.width, 2, 1 << 20)) return f;
  if (auto f = out_of_range(level, "ffn", s.ffn, 1, 1 << 22)) return f;
  if (auto f = out_of_range(level, "heads", s.heads, 1, 1 << 16)) return f;
  if (auto f = out_of_range(level, "kv_heads", s.kv_heads, 1, s.heads)) return f;
  if (s.width % s.heads != 0) {
    return SpecFault{level, "heads", fmt::format("width {} does not divide into {} heads", s.width, s.heads)};
  }
  if (s.head_size() % 2 != 0) {
    return SpecFault{level, "heads",
                     fmt::format("head size {} (width {} / heads {}) is odd, the rotation needs an even one",
                                 s.head_size(), s.width, s.heads)};
  }
  if (s.heads % s.kv_heads != 0) {
    return SpecFault{level, "kv_heads",
                     fmt::format("{} heads do not divide among {} kv_heads", s.heads, s.kv_heads)};
  }
  return {};
}

Fault level_fault(int l, const LevelSpec& s, bool top) {
  if (auto f = out_of_range(l, "chunk", s.chunk, 1, 1 << 16)) return f;
  if (auto f = out_of_range(l, "prefix", s.prefix, 1, 1 << 8)) return f;
  if (auto f = out_of_range(l, "encoder_layers", s.encoder_layers, 1, 1 << 12)) return f;
  if (auto f = out_of_range(l, "decoder_layers", s.decoder_layers, 1, 1 << 12)) return f;
  if (auto f = out_of_range(l, "converter_context", s.converter_context, 1, 1 << 8)) return f;
  if (auto f = shape_fault(l, s.shape)) return f;
  const EncoderWindow& window = s.encoder_window;
  if (window.kind == EncoderWindow::Kind::units) {
    if (auto f = out_of_range(l, "encoder_window", window.units, 1, max_size)) return f;
  }
  if (top && window.kind != EncoderWindow::Kind::unbounded) {
    return SpecFault{l, "encoder_window",
                     "a window is refused at the top level, whose encoder carries the past"};
  }
  return {};
}

}  // namespace

int64_t ModelSpec::cumulative_chunk(int l) const {
  int64_t product = 1;
  for (int k = 1; k <= l; ++k) product *= level(k).chunk;
  return product;
}

int64_t ModelSpec::embedding_width() const {
  return level(1).shape.width / level(1).chunk;
}

Visibility ModelSpec::visibility(int l) const {
  return {l == 0 ? EncoderWindow{} : level(l).encoder_window, units_per_meta_context(l)};
}

Conditioning ModelSpec::conditioning(int l) const {
  const bool own_latent = reading == Reading::causal || reading == Reading::parallel;
  return l < depth() && own_latent ? Conditioning::current : Conditioning::previous;
}

Feedback ModelSpec::feedback(int l) const {
  if (l == 1) return depth() > 0 && reading == Reading::hatted ? Feedback::reconstructed : Feedback::token;
  return reading == Reading::causal ? Feedback::observed : Feedback::reconstructed;
}

std::string_view ModelSpec::reading_name() const {
  return depth() == 0 ? "" : to_string(reading);
}

std::string_view ModelSpec::architecture() const {
  return depth() == 0 ? "vanilla" : depth() == 1 ? "block" : "photon";
}

std::optional<SpecFault> ModelSpec::fault() const {
  if (!is_plain(name)) {
    return SpecFault{0, "name",
                     "a name is up to 100 letters, digits, '-', '_' and '.', the last not in front"};
  }
  if (auto f = out_of_range(0, "vocab", vocab, 1, int64_t{1} << 24)) return f;
  if (auto f = shape_fault(0, base)) return f;
  if (!(rope_theta > 1.0 && std::isfinite(rope_theta))) {
    return SpecFault{0, "rope_theta", fmt::format("rope_theta = {} must be above 1", rope_theta)};
  }
  if (!(norm_eps > 0.0 && norm_eps < 1.0)) {
    return SpecFault{0, "norm_eps", fmt::format("norm_eps = {} must lie between 0 and 1", norm_eps)};
  }
  if (begin_of_text) {
    if (auto f = out_of_range(0, "begin_of_text", *begin_of_text, 0, vocab - 1)) return f;
  }
  if (auto f = out_of_range(0, "trained_context", trained_context, 0, max_size)) return f;
  if (levels.empty()) return out_of_range(0, "layers", layers, 1, 1 << 12);
  if (layers != 0) {
    return SpecFault{0, "layers",
                     fmt::format("layers = {} beside {} levels; a hierarchy gives its layers a level", layers,
                                 levels.size())};
  }
  if (levels.size() > 8)
    return SpecFault{0, "level", fmt::format("{} levels, 0 to 8 are allowed", levels.size())};
  int64_t tokens = 1;
  for (int l = 1; l <= depth(); ++l) {
    if (auto f = level_fault(l, level(l), l == depth())) return f;
    tokens *= level(l).chunk;
    if (tokens > 1 << 20) {
      return SpecFault{
          l, "chunk", fmt::format("a unit of this level is {} tokens, 1 to {} are allowed", tokens, 1 << 20)};
    }
  }
  if (level(1).shape.width % level(1).chunk != 0) {
    return SpecFault{1, "chunk",
                     fmt::format("width {} does not divide into {} token embeddings (chunk)",
                                 level(1).shape.width, level(1).chunk)};
  }
  return {};
}

void ModelSpec::validate() const {
  if (const auto f = fault()) {
    throw Error(fmt::format("{}{}: {}", name.empty() ? "model" : fmt::format("model '{}'", name),
                            f->level > 0 ? fmt::format(", level {}", f->level) : "", f->message));
  }
}

std::string_view to_string(Reading reading) {
  switch (reading) {
    case Reading::causal:
      return "causal";
    case Reading::parallel:
      return "parallel";
    case Reading::literal:
      return "literal";
    case Reading::hatted:
      return "hatted";
  }
  return "";
}

}  // namespace photon
