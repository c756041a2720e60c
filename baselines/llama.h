// SPDX-License-Identifier: Apache-2.0
// Hugging Face LLaMA checkpoints (config.json + safetensors) as vanilla models and back. A vanilla spec is a
// LLaMA: same norms, same SwiGLU, same half-split rotation. Weights in that format are stored for
// rotate_half, which is ours, so q and k are copied as they are (Meta's original files, with interleaved
// pairs, are not this format).
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/model/checkpoint.h"
#include "core/model/model_spec.h"

namespace photon::baselines {

struct LlamaFolder {
  Checkpoint checkpoint;
  std::string tokenizer;              ///< bytes of a tokenizer.model; empty where the folder has no tokenizer
  std::vector<std::string> warnings;  ///< of what is taken otherwise than one might think
};

/// Reads config.json, model.safetensors, or the shards of model.safetensors.index.json, and the tokenizer
/// (llama_tokenizer.h). A tied head is written out. The spec is named after the folder, as far as names can
/// be. Throws Error naming file and key or tensor, in the format's words, on what a vanilla spec cannot say
/// (other architectures, scaled rotations, biases, quantisation, a head size that is not width / heads), on
/// missing, extra, misshapen or non-finite tensors and on a zero_matrix.
LlamaFolder import_llama(const std::filesystem::path& folder);

/// Writes config.json, model.safetensors (F32) and, where a tokenizer.model is given, that and
/// tokenizer_config.json; the folder appears whole or not at all. Throws Error if the spec has levels, which
/// no LLaMA has.
void export_llama(const std::filesystem::path& folder, const ModelSpec& spec,
                  std::span<const float> parameters, const std::filesystem::path& tokenizer = {});

/// What import_llama reads from config.json; `tied` says that the head is the embedding. begin_of_text is not
/// config.json's to say.
struct LlamaConfig {
  ModelSpec spec;
  bool tied = false;
  std::vector<std::string> warnings;
};
LlamaConfig parse_llama_config(const nlohmann::json& config, const std::string& name,
                               const std::string& source);
/// `end_of_text` is the tokenizer's.
std::string llama_config_text(const ModelSpec& spec, std::optional<int64_t> end_of_text);

/// "decoder.1.layers.3.attention.q.weight" -> "model.layers.3.self_attn.q_proj.weight". Throws Error on a
/// parameter that no LLaMA has.
std::string llama_tensor_name(const std::string& parameter);

}  // namespace photon::baselines
