// SPDX-License-Identifier: Apache-2.0
// Where the files are that photon brings along (configs, docs): the source tree for a program that was built
// in it, share/photon for an installed one, wherever that tree has been carried.
#pragma once

#include <filesystem>

namespace photon {

/// The folder that holds configs/ and docs/. Throws Error if this program was separated from it.
std::filesystem::path share_folder();

}  // namespace photon
