#include "cuda_impl/runtime/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "core/parameters.h"
#include "cuda_impl/runtime/error.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int64_t alignment = 128;  // elements

/// Parts of one matrix, which follow what comes before them without a gap.
bool continues_matrix(const std::string& name) {
  return name.ends_with("attention.k.weight") || name.ends_with("attention.v.weight") ||
         name.ends_with("ffn.up.weight");
}

/// First element of each parameter on the device, and behind the last.
std::vector<int64_t> places(const std::vector<ParameterInfo>& list) {
  std::vector<int64_t> out;
  int64_t next = 0;
  for (const ParameterInfo& p : list) {
    if (!continues_matrix(p.name)) next = (next + alignment - 1) / alignment * alignment;
    out.push_back(next);
    next += p.size();
  }
  out.push_back((next + alignment - 1) / alignment * alignment);
  return out;
}

using Places = std::map<std::string, const bf16*>;

StackWeights stack(const Places& at, const std::string& prefix, const StackShape& shape, int64_t layers) {
  StackWeights out;
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

int64_t Weights::bytes(const ModelSpec& spec) {
  return places(parameter_list(spec)).back() * static_cast<int64_t>(sizeof(bf16));
}

Weights::Weights(const ModelSpec& spec, std::span<const float> parameters) : memory_(bytes(spec)) {
  const std::vector<ParameterInfo> list = parameter_list(spec);
  const std::vector<int64_t> first = places(list);
  auto* base = static_cast<bf16*>(memory_.data());
  Places at;
  std::vector<bf16> rounded;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto values =
        parameters.subspan(static_cast<size_t>(list[i].offset), static_cast<size_t>(list[i].size()));
    rounded.resize(values.size());
    std::transform(values.begin(), values.end(), rounded.begin(), [](float v) { return to_bf16(v); });
    bf16* to = base + first[i];
    check(cudaMemcpy(to, rounded.data(), rounded.size() * sizeof(bf16), cudaMemcpyHostToDevice),
          "cudaMemcpy");
    at[list[i].name] = to;
  }
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // the last copies may still be under way
  const int depth = spec.depth();
  if (depth > 0) encoder_embedding_ = at.at("encoder.embedding.weight");
  decoder_embedding_ = at.at("decoder.1.embedding.weight");
  head_ = at.at("head.weight");
  levels_.resize(static_cast<size_t>(std::max(depth, 1)));
  if (depth == 0) levels_[0].decoder = stack(at, "decoder.1", spec.base, spec.layers);
  for (int l = 1; l <= depth; ++l) {
    LevelWeights& w = levels_[static_cast<size_t>(l - 1)];
    const std::string encoder = fmt::format("encoder.{}", l);
    const std::string decoder = fmt::format("decoder.{}", l);
    if (l >= 2) {
      w.chunker_norm = at.at(encoder + ".chunker.norm.weight");
      w.chunker_proj = at.at(encoder + ".chunker.proj.weight");
      w.chunker_bias = at.at(encoder + ".chunker.proj.bias");
    }
    w.encoder = stack(at, encoder, spec.shape(l), spec.level(l).encoder_layers);
    w.start = at.at(decoder + ".start");
    w.converter = at.at(decoder + ".converter.weight");
    w.converter_bias = at.at(decoder + ".converter.bias");
    w.decoder = stack(at, decoder, spec.shape(l - 1), spec.level(l).decoder_layers);
  }
}

}  // namespace photon::PHOTON_GPU
