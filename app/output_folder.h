// SPDX-License-Identifier: Apache-2.0
// The rule of commands that make a folder: an existing one is only replaced when asked for.
#pragma once

#include <fmt/format.h>

#include <filesystem>

#include "core/base/error.h"

namespace photon::app {

/// Throws Error if `folder` exists and is not an empty folder, unless `force`.
inline void require_free(const std::filesystem::path& folder, bool force) {
  if (force || !std::filesystem::exists(folder)) return;
  if (std::filesystem::is_directory(folder) && std::filesystem::is_empty(folder)) return;
  throw Error(
      fmt::format("{}: exists already; choose another place or give --force to replace it", folder.string()));
}

}  // namespace photon::app
