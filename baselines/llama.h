// Hugging Face LLaMA checkpoints (config.json + safetensors) as vanilla models and back. A vanilla spec is a
// LLaMA: same norms, same SwiGLU, same half-split rotation. Weights in that format are stored for
// rotate_half, which is ours, so q and k are copied as they are (Meta's original files, with interleaved
// pairs, are not this format).
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "core/checkpoint.h"
#include "core/model_spec.h"

namespace photon::baselines {

/// Reads config.json and model.safetensors, or the shards of model.safetensors.index.json. A tied head is
/// written out. The spec is named after the folder. Throws Error naming file and key or tensor on what a
/// vanilla spec cannot say (other architectures, scaled rotations, biases, quantisation, a head size that is
/// not width / heads) and on missing, extra, misshapen or non-finite tensors.
Checkpoint import_llama(const std::filesystem::path& folder);

/// Writes config.json, model.safetensors (F32) and, where given, tokenizer.model; the folder appears whole or
/// not at all. Throws Error if the spec has levels, which no LLaMA has.
void export_llama(const std::filesystem::path& folder, const ModelSpec& spec,
                  std::span<const float> parameters, const std::filesystem::path& tokenizer = {});

/// What import_llama reads from config.json; `tied` says that the head is the embedding.
struct LlamaConfig {
  ModelSpec spec;
  bool tied = false;
};
LlamaConfig parse_llama_config(const nlohmann::json& config, const std::string& name,
                               const std::string& source);
std::string llama_config_text(const ModelSpec& spec);

/// "decoder.1.layers.3.attention.q.weight" -> "model.layers.3.self_attn.q_proj.weight". Throws Error on a
/// parameter that no LLaMA has.
std::string llama_tensor_name(const std::string& parameter);

}  // namespace photon::baselines
