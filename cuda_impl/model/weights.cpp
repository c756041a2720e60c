// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "cuda_impl/device/error.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int64_t alignment = 128;  // elements

/// Parts of one matrix, which follow what comes before them without a gap.
bool continues_matrix(const std::string& name) {
  return name.ends_with("attention.k.weight") || name.ends_with("attention.v.weight") ||
         name.ends_with("ffn.up.weight");
}

int64_t aligned(int64_t elements) {
  return (elements + alignment - 1) / alignment * alignment;
}

template <class T>
using Places = std::map<std::string, T*>;

template <class T>
StackView<T> stack(const Places<T>& at, const std::string& prefix, const StackShape& shape, int64_t layers) {
  StackView<T> out;
  out.shape = shape;
  for (int64_t i = 0; i < layers; ++i) {
    const std::string p = fmt::format("{}.layers.{}.", prefix, i);
    out.layers.push_back({at.at(p + "attention_norm.weight"), at.at(p + "attention.q.weight"),
                          at.at(p + "attention.o.weight"), at.at(p + "ffn_norm.weight"),
                          at.at(p + "ffn.gate.weight"), at.at(p + "ffn.down.weight")});
  }
  out.norm = at.at(prefix + ".norm.weight");
  return out;
}

}  // namespace

ParameterPlaces::ParameterPlaces(const ModelSpec& spec) : spec_(spec), list_(parameter_list(spec)) {
  int64_t next = 0;
  for (const ParameterInfo& p : list_) {
    if (!continues_matrix(p.name)) next = aligned(next);
    first_.push_back(next);
    next += p.size();
  }
  first_.push_back(aligned(next));
}

template <class T>
ModelView<T> ParameterPlaces::view(T* base) const {
  Places<T> at;
  for (size_t i = 0; i < list_.size(); ++i) at[list_[i].name] = base + first_[i];
  const int depth = spec_.depth();
  ModelView<T> out;
  if (depth > 0) out.encoder_embedding = at.at("encoder.embedding.weight");
  out.decoder_embedding = at.at("decoder.1.embedding.weight");
  out.head = at.at("head.weight");
  out.levels.resize(std::max(depth, 1));
  if (depth == 0) out.levels[0].decoder = stack(at, "decoder.1", spec_.base, spec_.layers);
  for (int l = 1; l <= depth; ++l) {
    LevelView<T>& w = out.levels[l - 1];
    const std::string encoder = fmt::format("encoder.{}", l);
    const std::string decoder = fmt::format("decoder.{}", l);
    if (l >= 2) {
      w.chunker_norm = at.at(encoder + ".chunker.norm.weight");
      w.chunker_proj = at.at(encoder + ".chunker.proj.weight");
      w.chunker_bias = at.at(encoder + ".chunker.proj.bias");
    }
    w.encoder = stack(at, encoder, spec_.shape(l), spec_.level(l).encoder_layers);
    w.start = at.at(decoder + ".start");
    w.converter = at.at(decoder + ".converter.weight");
    w.converter_bias = at.at(decoder + ".converter.bias");
    w.decoder = stack(at, decoder, spec_.shape(l - 1), spec_.level(l).decoder_layers);
  }
  return out;
}

template ModelView<const bf16> ParameterPlaces::view(const bf16*) const;
template ModelView<float> ParameterPlaces::view(float*) const;

int64_t Weights::bytes(const ModelSpec& spec) {
  return ParameterPlaces(spec).elements() * static_cast<int64_t>(sizeof(bf16));
}

Weights::Weights(const ModelSpec& spec, std::span<const float> parameters) : memory_(bytes(spec)) {
  const ParameterPlaces places(spec);
  auto* base = static_cast<bf16*>(memory_.data());
  std::vector<bf16> rounded;
  for (size_t i = 0; i < places.list().size(); ++i) {
    const ParameterInfo& p = places.list()[i];
    const auto values = parameters.subspan(p.offset, static_cast<size_t>(p.size()));
    rounded.resize(values.size());
    std::transform(values.begin(), values.end(), rounded.begin(), [](float v) { return to_bf16(v); });
    check(cudaMemcpy(base + places.first(i), rounded.data(), rounded.size() * sizeof(bf16),
                     cudaMemcpyHostToDevice),
          "cudaMemcpy");
  }
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // the last copies may still be under way
  view_ = places.view<const bf16>(base);
}

}  // namespace photon::PHOTON_GPU
