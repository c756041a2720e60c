// SPDX-License-Identifier: Apache-2.0
#include "core/model/model_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "core/base/config.h"
#include "core/base/error.h"

namespace photon {
namespace {

constexpr int64_t any_low = std::numeric_limits<int64_t>::lowest();
constexpr int64_t any_high = std::numeric_limits<int64_t>::max();
constexpr double infinity = std::numeric_limits<double>::infinity();
const std::vector<std::string> readings{"causal", "parallel", "literal", "hatted"};

// Ranges are ModelSpec::fault's to judge: one place knows them, and this one knows the lines.
int64_t size_key(const ConfigTable& table, std::string_view key, std::optional<int64_t> fallback = {}) {
  return table.integer(key, any_low, any_high, fallback);
}

StackShape read_shape(const ConfigTable& table, const StackShape* inherited) {
  StackShape s;
  const auto from = [&](int64_t StackShape::*key) {
    return inherited == nullptr ? std::nullopt : std::optional(inherited->*key);
  };
  const bool own_heads = inherited == nullptr || table.has("heads");
  s.width = size_key(table, "width", from(&StackShape::width));
  s.ffn = size_key(table, "ffn", from(&StackShape::ffn));
  s.heads = size_key(table, "heads", from(&StackShape::heads));
  s.kv_heads = size_key(table, "kv_heads", own_heads ? s.heads : inherited->kv_heads);
  return s;
}

EncoderWindow read_window(const ConfigTable& table) {
  if (table.is_text("encoder_window")) {
    table.choice("encoder_window", {"block"});
    return {.kind = EncoderWindow::Kind::block};
  }
  if (table.has("encoder_window") && !table.is_integer("encoder_window")) {
    table.fail("encoder_window", "0 (unbounded), a number of units or \"block\" is wanted");
  }
  const int64_t units = table.integer("encoder_window", 0, any_high, 0);
  return units == 0 ? EncoderWindow{} : EncoderWindow{.kind = EncoderWindow::Kind::units, .units = units};
}

LevelSpec read_level(const ConfigTable& table, const StackShape& base) {
  LevelSpec level;
  level.chunk = size_key(table, "chunk");
  level.prefix = size_key(table, "prefix");
  level.encoder_layers = size_key(table, "encoder_layers");
  level.decoder_layers = size_key(table, "decoder_layers");
  level.encoder_window = read_window(table);
  level.converter_context = size_key(table, "converter_context", 1);
  level.shape = read_shape(table, &base);
  return level;
}

ModelSpec read_spec(const ConfigTable& root, const std::vector<std::string>& overrides) {
  ModelSpec spec;
  spec.name = root.text("name");
  spec.vocab = size_key(root, "vocab");
  spec.base = read_shape(root, nullptr);
  const std::string reading = root.choice("reading", readings, "causal");
  spec.reading =
      static_cast<Reading>(std::find(readings.begin(), readings.end(), reading) - readings.begin());
  spec.rope_theta = root.number("rope_theta", -infinity, infinity, 10000.0);
  spec.norm_eps = root.number("norm_eps", -infinity, infinity, 1e-5);
  if (root.has("begin_of_text")) spec.begin_of_text = size_key(root, "begin_of_text");
  spec.trained_context = size_key(root, "trained_context", 0);

  const std::vector<ConfigTable> levels = root.tables("level");
  for (const ConfigTable& level : levels) spec.levels.push_back(read_level(level, spec.base));
  if (levels.empty()) {
    spec.layers = size_key(root, "layers");
  } else if (root.has("layers")) {
    root.fail("layers", fmt::format("layers are given beside {} levels; a hierarchy gives its layers a level",
                                    levels.size()));
  }
  root.finish();
  if (const auto fault = spec.fault()) {
    const ConfigTable& table = fault->level == 0 ? root : levels[fault->level - 1];
    // The line named may be the file's while the other number of the rule came from the command line.
    const std::string with =
        overrides.empty() ? "" : fmt::format(" (with --set {})", fmt::join(overrides, " --set "));
    table.fail(fault->key, fault->message + with);
  }
  return spec;
}

std::string shape_toml(const StackShape& s) {
  return fmt::format("width = {}\nffn = {}\nheads = {}\nkv_heads = {}\n", s.width, s.ffn, s.heads,
                     s.kv_heads);
}

}  // namespace

ModelSpec load_model_spec(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return read_spec(load_config(file, overrides).root(), overrides);
}

ModelSpec parse_model_spec(std::string_view toml, const std::string& source_name,
                           const std::vector<std::string>& overrides) {
  return read_spec(parse_config(toml, source_name, overrides).root(), overrides);
}

std::string to_toml(const ModelSpec& spec) {
  std::string out =
      fmt::format("name = {}\nvocab = {}\n", toml_text(spec.name), spec.vocab) + shape_toml(spec.base);
  out += fmt::format("reading = \"{}\"\nrope_theta = {}\nnorm_eps = {}\n", to_string(spec.reading),
                     toml_number(spec.rope_theta), toml_number(spec.norm_eps));
  if (spec.depth() == 0) out += fmt::format("layers = {}\n", spec.layers);
  if (spec.begin_of_text) out += fmt::format("begin_of_text = {}\n", *spec.begin_of_text);
  if (spec.trained_context > 0) out += fmt::format("trained_context = {}\n", spec.trained_context);
  for (const LevelSpec& level : spec.levels) {
    const bool block = level.encoder_window.kind == EncoderWindow::Kind::block;
    out += fmt::format("\n[[level]]\nchunk = {}\nprefix = {}\nencoder_layers = {}\ndecoder_layers = {}\n",
                       level.chunk, level.prefix, level.encoder_layers, level.decoder_layers);
    out += fmt::format("encoder_window = {}\nconverter_context = {}\n",
                       block ? "\"block\"" : fmt::format("{}", level.encoder_window.units),
                       level.converter_context);
    out += shape_toml(level.shape);
  }
  return out;
}

}  // namespace photon
