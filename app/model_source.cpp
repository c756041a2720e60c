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

namespace {

struct Named {
  std::filesystem::path file;
  ModelSpec* spec;
};

void tell_apart(const std::vector<Named>& models) {
  const auto others = [&](const Named& m) {
    std::vector<const Named*> found;
    for (const Named& other : models) {
      if (other.spec->name == m.spec->name && !(*other.spec == *m.spec)) found.push_back(&other);
    }
    return found;
  };
  std::vector<std::string> names;
  for (const Named& m : models) {
    const std::string folder = std::filesystem::absolute(m.file).lexically_normal().parent_path().filename();
    names.push_back(others(m).empty() ? m.spec->name : fmt::format("{}.{}", folder, m.spec->name));
  }
  for (size_t i = 0; i < models.size(); ++i) models[i].spec->name = names[i];
  for (const Named& m : models) {
    const auto same = others(m);
    if (same.empty() && !m.spec->fault()) continue;
    throw UsageError(fmt::format("{} and {} are different models of one name: change the key name of one",
                                 m.file.string(), same.empty() ? "another" : same.front()->file.string()));
  }
}

}  // namespace

std::vector<ModelSource> model_sources(const std::vector<std::string>& paths,
                                       const std::vector<std::string>& overrides) {
  std::vector<ModelSource> sources;
  for (const std::string& path : paths) sources.push_back(model_source(path, overrides));
  std::vector<Named> fresh;  // rows name the others' checkpoints
  for (size_t i = 0; i < paths.size(); ++i) {
    if (sources[i].checkpoint.empty()) fresh.push_back({paths[i], &sources[i].spec});
  }
  tell_apart(fresh);
  return sources;
}

std::vector<ModelSpec> load_model_specs(const std::vector<std::filesystem::path>& files,
                                        const std::vector<std::string>& overrides) {
  std::vector<ModelSpec> specs;
  for (const auto& file : files) specs.push_back(load_model_spec(file, overrides));
  std::vector<Named> models;
  for (size_t i = 0; i < files.size(); ++i) models.push_back({files[i], &specs[i]});
  tell_apart(models);
  return specs;
}

std::vector<float> parameters_of(const ModelSource& source, uint64_t seed) {
  if (source.checkpoint.empty()) return initial_parameters(source.spec, seed);
  return std::move(load_checkpoint(source.checkpoint).parameters);
}

}  // namespace photon::app
