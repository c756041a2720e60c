// SPDX-License-Identifier: Apache-2.0
// A model as a command line names it: a spec, whose weights are fresh, or a checkpoint folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/model/model_spec.h"

namespace photon::app {

struct ModelSource {
  ModelSpec spec;
  std::string checkpoint;  ///< folder; empty for a spec
};

/// Reads no weights, but throws Error on a checkpoint that cannot be loaded. `overrides` apply to spec files;
/// with a checkpoint they are refused.
ModelSource model_source(const std::string& path, const std::vector<std::string>& overrides);
/// Those of one command, told apart as the specs below.
std::vector<ModelSource> model_sources(const std::vector<std::string>& paths,
                                       const std::vector<std::string>& overrides);
/// The specs of files. Where different ones have one name, each gets its folder's in front,
/// "mine.photon-tiny", so that rows tell them apart; throws UsageError where that does not help.
std::vector<ModelSpec> load_model_specs(const std::vector<std::filesystem::path>& files,
                                        const std::vector<std::string>& overrides);

/// parameter_list order; `seed` is that of fresh weights.
std::vector<float> parameters_of(const ModelSource& source, uint64_t seed);

}  // namespace photon::app
