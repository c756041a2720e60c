// A checkpoint folder (design, section 5): model.safetensors, config.toml, tokenizer.model, of a training
// optimizer.safetensors and state.json, and an empty DONE written last. Tensors by name on disk, one flat
// float array in parameter_list order in memory.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "core/model_spec.h"

namespace photon {

struct Checkpoint {
  ModelSpec spec;
  std::vector<float> parameters;
};

/// Writes config.toml, model.safetensors and, where given, tokenizer.model (copied), then DONE. The folder
/// appears whole or not at all and replaces an older checkpoint in one step: it is written aside and
/// exchanged. `add_files` is called with the folder aside before DONE is written, for optimizer.safetensors
/// and state.json. Throws Error, and leaves what was there, on weights that load_checkpoint would refuse and
/// on a folder that holds anything but a checkpoint's files.
void save_checkpoint(const std::filesystem::path& folder, const ModelSpec& spec,
                     std::span<const float> parameters, const std::filesystem::path& tokenizer = {},
                     const std::function<void(const std::filesystem::path&)>& add_files = {});

/// Throws Error if `folder` is there and holds what save_checkpoint would not replace.
void require_replaceable_checkpoint(const std::filesystem::path& folder);

/// Of a checkpoint whose weights fit it, as far as can be told without reading them: throws Error where
/// load_checkpoint would throw on anything but their values.
ModelSpec checkpoint_spec(const std::filesystem::path& folder);

/// Throws Error on a missing DONE, a missing, extra or misshapen tensor, a non-finite weight, or a weight
/// matrix that is all zero (what a loader that skips what it does not find leaves behind). F32, BF16, F16 and
/// F64 are accepted.
Checkpoint load_checkpoint(const std::filesystem::path& folder);

}  // namespace photon
