// A checkpoint folder (design, section 5): model.safetensors, config.toml, tokenizer.model, while training
// optimizer.safetensors and state.json, and an empty DONE written last. Tensors by name on disk, one flat float
// array in parameter_list order in memory.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "core/model_spec.h"

namespace photon {

struct Checkpoint {
  ModelSpec spec;
  std::vector<float> parameters;
};

/// Writes config.toml, model.safetensors and, where given, tokenizer.model (copied), then DONE. The folder appears
/// whole or not at all: it is written aside and renamed.
void save_checkpoint(const std::filesystem::path& folder, const ModelSpec& spec, std::span<const float> parameters,
                     const std::filesystem::path& tokenizer = {});

/// Throws Error on a missing DONE, a missing, extra or misshapen tensor, or a non-finite weight.
Checkpoint load_checkpoint(const std::filesystem::path& folder);

}  // namespace photon
