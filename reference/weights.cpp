// SPDX-License-Identifier: Apache-2.0
#include "reference/weights.h"

#include <fmt/format.h>

#include <map>
#include <string>

#include "core/model/parameters.h"

namespace photon::reference {
namespace {

template <class S>
class Viewer {
 public:
  Viewer(const ModelSpec& spec, S* flat) : flat_(flat) {
    for (auto& p : parameter_list(spec)) offsets_[p.name] = p.offset;
  }

  RowMap<S> row(const std::string& name, Index size) const { return {at(name), size}; }
  MatrixMap<S> matrix(const std::string& name, Index out, Index in) const { return {at(name), out, in}; }

  StackWeights<S> stack(const std::string& prefix, const StackShape& s, int64_t layers) const {
    std::vector<LayerWeights<S>> list;
    for (int64_t i = 0; i < layers; ++i) {
      const std::string p = fmt::format("{}.layers.{}.", prefix, i);
      list.push_back({row(p + "attention_norm.weight", s.width),
                      matrix(p + "attention.q.weight", s.width + 2 * s.kv_width(), s.width),
                      matrix(p + "attention.o.weight", s.width, s.width), row(p + "ffn_norm.weight", s.width),
                      matrix(p + "ffn.gate.weight", 2 * s.ffn, s.width),
                      matrix(p + "ffn.down.weight", s.width, s.ffn)});
    }
    return {s, std::move(list), row(prefix + ".norm.weight", s.width)};
  }

  ChunkerWeights<S> chunker(const ModelSpec& spec, int l) const {
    if (l == 1) return {{nullptr, 0}, {nullptr, 0, 0}, {nullptr, 0}};
    const std::string p = fmt::format("encoder.{}.chunker.", l);
    const Index in = spec.level(l).chunk * spec.shape(l - 1).width;
    const Index width = spec.shape(l).width;
    return {row(p + "norm.weight", in), matrix(p + "proj.weight", width, in), row(p + "proj.bias", width)};
  }

  LevelWeights<S> level(const ModelSpec& spec, int l) const {
    const LevelSpec& s = spec.level(l);
    const std::string p = fmt::format("decoder.{}", l);
    const Index out = s.prefix * spec.shape(l - 1).width;
    return {chunker(spec, l),
            stack(fmt::format("encoder.{}", l), s.shape, s.encoder_layers),
            row(p + ".start", s.shape.width),
            matrix(p + ".converter.weight", out, s.converter_context * s.shape.width),
            row(p + ".converter.bias", out),
            stack(p, spec.shape(l - 1), s.decoder_layers)};
  }

  /// L = 0: one entry whose decoder is the stack.
  LevelWeights<S> vanilla(const ModelSpec& spec) const {
    return {chunker(spec, 1), {{}, {}, {nullptr, 0}}, {nullptr, 0},
            {nullptr, 0, 0},  {nullptr, 0},           stack("decoder.1", spec.base, spec.layers)};
  }

 private:
  S* at(const std::string& name) const { return flat_ + offsets_.at(name); }

  S* flat_;
  std::map<std::string, int64_t> offsets_;
};

}  // namespace

template <class S>
Weights<S> view_weights(const ModelSpec& spec, S* flat) {
  const Viewer<S> v(spec, flat);
  const bool hierarchy = spec.depth() > 0;
  std::vector<LevelWeights<S>> levels;
  if (!hierarchy) levels.push_back(v.vanilla(spec));
  for (int l = 1; l <= spec.depth(); ++l) levels.push_back(v.level(spec, l));
  return {hierarchy ? v.matrix("encoder.embedding.weight", spec.vocab, spec.embedding_width())
                    : MatrixMap<S>(nullptr, 0, 0),
          std::move(levels), v.matrix("decoder.1.embedding.weight", spec.vocab, spec.base.width),
          v.matrix("head.weight", spec.vocab, spec.base.width)};
}

template Weights<float> view_weights(const ModelSpec&, float*);
template Weights<double> view_weights(const ModelSpec&, double*);
template Weights<std::complex<double>> view_weights(const ModelSpec&, std::complex<double>*);

}  // namespace photon::reference
