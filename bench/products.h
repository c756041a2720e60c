// SPDX-License-Identifier: Apache-2.0
// How a back end's library multiplied for the rows of a file of results, kept beside them: it chooses by
// rules of its own, which change with its version.
#pragma once

#include <filesystem>

#include "core/backend/backend.h"

namespace photon::bench {

/// rows.csv -> rows.products.txt
std::filesystem::path products_file(const std::filesystem::path& results);

/// Adds to that file what it does not hold yet of what the back end's library has made, a line each
/// behind the device's name. Nothing if `results` is empty.
void keep_products(const Backend& backend, const std::filesystem::path& results);

}  // namespace photon::bench
