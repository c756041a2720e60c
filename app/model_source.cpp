// SPDX-License-Identifier: Apache-2.0
#include "app/model_source.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/model/checkpoint.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"

namespace photon::app {

ModelSource model_source(const std::string& path, const std::vector<std::string>& overrides) {
  if (!std::filesystem::is_directory(path)) return {load_model_spec(path, overrides), ""};
  require_cell(path);  // the rows that are measured name it
  if (!overrides.empty()) {
    throw UsageError(
        fmt::format("--set {}: the weights in {} fit the shape they were trained with", overrides[0], path));
  }
  return {checkpoint_spec(path), path};
}

std::vector<float> parameters_of(const ModelSource& source, uint64_t seed) {
  if (source.checkpoint.empty()) return initial_parameters(source.spec, seed);
  return std::move(load_checkpoint(source.checkpoint).parameters);
}

}  // namespace photon::app
