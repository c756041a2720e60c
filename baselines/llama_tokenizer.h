// SPDX-License-Identifier: Apache-2.0
// How a Hugging Face LLaMA folder turns text into tokens: tokenizer.model (SentencePiece) or tokenizer.json,
// and tokenizer_config.json, which says whether <s> stands in front of every text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/model/model_spec.h"

namespace photon::baselines {

struct LlamaTokenizer {
  std::string model;  ///< bytes of a SentencePiece model; empty where the folder has no tokenizer
  std::optional<int64_t> begin_of_text;
  std::vector<std::string> warnings;
};

/// `config` is config.json, whose bos_token_id counts where there is no tokenizer. tokenizer.model goes
/// before tokenizer.json. Throws Error on files that cannot be read or said, and on more pieces than
/// vocab_size.
LlamaTokenizer read_llama_tokenizer(const std::filesystem::path& folder, const nlohmann::json& config);

/// tokenizer_config.json for `tokenizer`, a tokenizer.model, such that Hugging Face gives photon's ids.
std::string llama_tokenizer_config_text(const ModelSpec& spec, const std::filesystem::path& tokenizer);

}  // namespace photon::baselines
