// SPDX-License-Identifier: Apache-2.0
// The files under configs/ by name: "photon-600m" for configs/models/photon-600m.toml, from any folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace photon {

/// What a file of configs/ describes; each kind has a folder of its own.
enum class ConfigKind { model, hardware, study, preset, training };

/// "model", "hardware", "study", "preset", "training config".
std::string to_string(ConfigKind kind);
/// share_folder()/configs/models and so on.
std::filesystem::path config_folder(ConfigKind kind);
/// Names that are known, sorted.
std::vector<std::string> config_names(ConfigKind kind);

/// The file, or the checkpoint folder of a model, that `text` names: a path from here; a path as this
/// repository writes it ("configs/models/photon-600m.toml") from anywhere; or a name. Throws Error with the
/// nearest names where there is nothing, and where a name without an ending is known and also stands here.
std::filesystem::path find_config(ConfigKind kind, const std::string& text);

}  // namespace photon
