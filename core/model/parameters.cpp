// SPDX-License-Identifier: Apache-2.0
#include "core/model/parameters.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "core/base/random.h"

namespace photon {
namespace {

constexpr double weight_std = 0.02;  // also of start latents: zero ones blow up through RMSNorm's backward

class Builder {
 public:
  std::vector<ParameterInfo> take() && { return std::move(list_); }

  void matrix(std::string name, int64_t out, int64_t in, double std_dev = weight_std) {
    add({.name = std::move(name), .shape = {out, in}, .std_dev = std_dev, .decay = true});
  }
  void gain(std::string name, int64_t width) {
    add({.name = std::move(name), .shape = {width}, .init = ParameterInfo::Init::ones});
  }
  void bias(std::string name, int64_t width) {
    add({.name = std::move(name), .shape = {width}, .init = ParameterInfo::Init::zeros});
  }
  void start_latent(std::string name, int64_t width, bool used) {
    add({.name = std::move(name),
         .shape = {width},
         .std_dev = weight_std,
         .counted = false,
         .trained = used});
  }

  void stack(const std::string& prefix, const StackShape& s, int64_t layers) {
    for (int64_t i = 0; i < layers; ++i) {
      const std::string p = fmt::format("{}.layers.{}.", prefix, i);
      gain(p + "attention_norm.weight", s.width);
      matrix(p + "attention.q.weight", s.width, s.width);
      matrix(p + "attention.k.weight", s.kv_width(), s.width);
      matrix(p + "attention.v.weight", s.kv_width(), s.width);
      matrix(p + "attention.o.weight", s.width, s.width);
      gain(p + "ffn_norm.weight", s.width);
      matrix(p + "ffn.gate.weight", s.ffn, s.width);
      matrix(p + "ffn.up.weight", s.ffn, s.width);
      matrix(p + "ffn.down.weight", s.width, s.ffn);
    }
    gain(prefix + ".norm.weight", s.width);
  }

 private:
  void add(ParameterInfo info) {
    info.offset = next_;
    next_ += info.size();
    list_.push_back(std::move(info));
  }

  std::vector<ParameterInfo> list_;
  int64_t next_ = 0;
};

/// The start latent stands in for Xhat_0: conditioning on the previous latent needs it, and so does a
/// converter that looks back over more than one.
bool uses_start(const ModelSpec& spec, int l) {
  return spec.conditioning(l) == Conditioning::previous || spec.level(l).converter_context > 1;
}

}  // namespace

int64_t ParameterInfo::size() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::vector<ParameterInfo> parameter_list(const ModelSpec& spec) {
  Builder b;
  if (spec.depth() > 0) b.matrix("encoder.embedding.weight", spec.vocab, spec.embedding_width());
  for (int l = 1; l <= spec.depth(); ++l) {
    const std::string p = fmt::format("encoder.{}", l);
    const int64_t width = spec.shape(l).width;
    if (l >= 2) {
      const int64_t in = spec.level(l).chunk * spec.shape(l - 1).width;
      b.gain(p + ".chunker.norm.weight", in);
      b.matrix(p + ".chunker.proj.weight", width, in);
      b.bias(p + ".chunker.proj.bias", width);
    }
    b.stack(p, spec.shape(l), spec.level(l).encoder_layers);
  }
  for (int l = spec.depth(); l >= 1; --l) {
    const std::string p = fmt::format("decoder.{}", l);
    const LevelSpec& s = spec.level(l);
    const int64_t out = s.prefix * spec.shape(l - 1).width;
    const int64_t in = s.converter_context * s.shape.width;
    b.start_latent(p + ".start", s.shape.width, uses_start(spec, l));
    b.matrix(p + ".converter.weight", out, in, 1.0 / std::sqrt(static_cast<double>(in)));
    b.bias(p + ".converter.bias", out);
    if (l == 1) b.matrix("decoder.1.embedding.weight", spec.vocab, spec.base.width);
    b.stack(p, spec.shape(l - 1), s.decoder_layers);
  }
  if (spec.depth() == 0) {
    b.matrix("decoder.1.embedding.weight", spec.vocab, spec.base.width);
    b.stack("decoder.1", spec.base, spec.layers);
  }
  b.matrix("head.weight", spec.vocab, spec.base.width);
  return std::move(b).take();
}

int64_t parameter_elements(const ModelSpec& spec) {
  const auto list = parameter_list(spec);
  return list.back().offset + list.back().size();
}

int64_t parameters_total(const ModelSpec& spec) {
  int64_t total = 0;
  for (const auto& p : parameter_list(spec)) total += p.counted ? p.size() : 0;
  return total;
}

std::vector<float> initial_parameters(const ModelSpec& spec, uint64_t seed) {
  const auto list = parameter_list(spec);
  std::vector<float> values(static_cast<size_t>(list.back().offset + list.back().size()));
  const Philox philox(seed);
  for (const auto& p : list) {
    float* out = values.data() + p.offset;
    const uint64_t stream = stable_hash(p.name);
    for (int64_t i = 0; i < p.size(); ++i) {
      switch (p.init) {
        case ParameterInfo::Init::ones:
          out[i] = 1.0f;
          break;
        case ParameterInfo::Init::zeros:
          out[i] = 0.0f;
          break;
        case ParameterInfo::Init::normal:
          if (i % 2 == 0) {
            const auto n = philox.normals(stream, static_cast<uint64_t>(i));
            out[i] = static_cast<float>(p.std_dev * n[0]);
            if (i + 1 < p.size()) out[i + 1] = static_cast<float>(p.std_dev * n[1]);
          }
          break;
      }
    }
  }
  return values;
}

}  // namespace photon
