// SPDX-License-Identifier: Apache-2.0
// photon floor --crossings: the batches and contexts at which one bound of decoding gives way to another.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/backend/backend.h"

namespace photon {

struct FloorCrossings {
  std::vector<std::filesystem::path> models;
  std::vector<std::string> overrides;  ///< of every spec
  std::string generations;             ///< names with commas; one that a model lacks is left out
  std::filesystem::path hardware;
  bool data_sheet = false;  ///< ceilings: not the measured ones
  DType dtype = DType::bfloat16;
  std::string contexts;  ///< list or range, at which batches are solved for
  std::string batches;   ///< list or range, at which contexts are
  bool json = false;
};

/// Prints. Throws UsageError on a word that does not read and numbers out of range.
void floor_crossings(const FloorCrossings& request);

}  // namespace photon
