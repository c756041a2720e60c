// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/page_specs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/model/model_config.h"

namespace photon::analysis {
namespace {
namespace fs = std::filesystem;

std::vector<SpecGroup> grouped(const std::vector<ModelSpec>& specs) {
  std::vector<SpecGroup> groups;
  for (const ModelSpec& spec : specs) {
    auto at = std::find_if(groups.begin(), groups.end(), [&](const SpecGroup& g) {
      return std::none_of(g.specs.begin(), g.specs.end(),
                          [&](const ModelSpec& s) { return s.architecture() == spec.architecture(); });
    });
    if (at == groups.end()) at = groups.insert(groups.end(), SpecGroup{});
    at->title += (at->title.empty() ? "" : ", ") + spec.name;
    at->specs.push_back(spec);
  }
  return groups;
}

}  // namespace

std::vector<ModelSpec> own_specs(const ReportRequest& request, std::span<const ResultRow> rows) {
  std::vector<ModelSpec> specs;
  const auto add = [&](const ModelSpec& spec) {
    if (std::find(specs.begin(), specs.end(), spec) == specs.end()) specs.push_back(spec);
  };
  for (const fs::path& file : request.models) add(load_model_spec(file));
  if (!request.models.empty()) return specs;
  for (const ResultRow& row : rows) {
    const fs::path config = fs::path(row.text("checkpoint")) / "config.toml";
    if (!row.empty("checkpoint") && fs::exists(config)) add(load_model_spec(config));
  }
  return specs;
}

std::vector<SpecGroup> spec_groups(const ReportRequest& request, std::span<const ResultRow> rows) {
  auto groups = grouped(own_specs(request, rows));
  if (request.paper_models.empty()) return groups;
  for (const char* size : {"600m", "900m", "1.2b"}) {
    SpecGroup group{fmt::format("The paper's models, {}", size), {}};
    for (const char* architecture : {"vanilla", "block", "photon"}) {
      const fs::path file = request.paper_models / fmt::format("{}-{}.toml", architecture, size);
      if (fs::exists(file)) group.specs.push_back(load_model_spec(file));
    }
    if (!group.specs.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace photon::analysis
