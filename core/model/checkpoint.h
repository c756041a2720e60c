// SPDX-License-Identifier: Apache-2.0
// A checkpoint folder (docs/architecture.md, "Names on disk"): model.safetensors, config.toml,
// tokenizer.model, of a training optimizer.safetensors and state.json, and an empty DONE written last.
// Tensors by name on disk, one flat float array in parameter_list order in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "core/model/parameters.h"

namespace photon {

struct Checkpoint {
  ModelSpec spec;
  std::vector<float> parameters;
  uint64_t tokenizer_hash = 0;  ///< of the tokenizer that was stored with the weights; 0: none was
};

/// Writes config.toml, model.safetensors and, where given, tokenizer.model (copied), then DONE. The folder
/// appears whole or not at all and replaces an older checkpoint in one step: it is written aside and
/// exchanged. `add_files` is called with the folder aside before the weights are written, for
/// optimizer.safetensors, state.json and a tokenizer.model that is no file yet. The weights' file holds the
/// tokenizer's hash. Throws Error, and leaves what was there, on weights that load_checkpoint would refuse
/// and on a folder that holds anything but a checkpoint's files.
void save_checkpoint(const std::filesystem::path& folder, const ModelSpec& spec,
                     std::span<const float> parameters, const std::filesystem::path& tokenizer = {},
                     const std::function<void(const std::filesystem::path&)>& add_files = {});

/// Throws Error if `folder` is there and holds what save_checkpoint would not replace.
void require_replaceable_checkpoint(const std::filesystem::path& folder);

/// Of a checkpoint whose weights fit it, as far as can be told without reading them: throws Error where
/// load_checkpoint would throw on anything but their values.
ModelSpec checkpoint_spec(const std::filesystem::path& folder);

/// Throws Error on a missing DONE, a missing, extra or misshapen tensor, a non-finite weight, or a
/// zero_matrix (what a loader that skips what it does not find leaves behind). F32, BF16, F16 and F64 are
/// accepted.
Checkpoint load_checkpoint(const std::filesystem::path& folder);

/// The first matrix that is all zero as no trained one is; null if there is none. An attention or a
/// feed-forward whose output matrix is zero adds nothing, whatever its other matrices hold: so are the blocks
/// that expanded models are begun with (LLaMA Pro, Wu et al. 2024), and they are none of these.
const ParameterInfo* zero_matrix(const std::vector<ParameterInfo>& parameters, std::span<const float> values);
/// Whether `p` is the output matrix of an attention or a feed-forward, and all zero.
bool is_silent_output(const ParameterInfo& p, std::span<const float> values);

}  // namespace photon
