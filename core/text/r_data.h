// SPDX-License-Identifier: Apache-2.0
// Text from data of R packages (*.rdb): blocks of a big-endian length and zlib data, each a serialised
// object. Only vectors of strings are understood, which is what packages of texts hold.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace photon {

/// The strings of each vector, in file order; missing values are empty. Throws Error on anything else.
std::vector<std::vector<std::string>> read_r_texts(const std::filesystem::path& rdb);

}  // namespace photon
