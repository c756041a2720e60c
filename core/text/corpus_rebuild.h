// SPDX-License-Identifier: Apache-2.0
// What a build does where a finished corpus stands: one of other settings is not touched unasked, and a new
// one is made in a folder inside it, so that the old one is there until the new one is whole.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "core/text/corpus.h"

namespace photon {

/// What decides about a corpus beside the texts: corpus.json keeps it.
nlohmann::ordered_json corpus_settings(const CorpusConfig& config);

/// Throws Error, naming what differs, if the finished corpus in config.out was made with other settings.
void refuse_other_settings(const CorpusConfig& config);

/// Where the corpus that will replace the one in `folder` is made.
std::filesystem::path rebuild_folder(const std::filesystem::path& folder);

/// Puts a finished rebuild in place of the corpus in `folder`; without one it does nothing. Killed at any
/// moment, the next call goes on. Other files in `folder` stay.
void finish_rebuild(const std::filesystem::path& folder);

}  // namespace photon
