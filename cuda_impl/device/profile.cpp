// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/device/profile.h"

#include <fmt/format.h>

#include <set>
#include <string_view>

#include "core/base/error.h"
#include "cuda_impl/device/error.h"

namespace photon::PHOTON_GPU {
namespace {

bool within(std::string_view scope, std::string_view name) {
  while (!scope.empty()) {
    const std::string_view part = scope.substr(0, scope.find('/'));
    if (part == name) return true;
    scope.remove_prefix(std::min(part.size() + 1, scope.size()));
  }
  return false;
}

}  // namespace

Recording::Recording(Stream& stream, std::vector<LaunchRecord>& records) : stream_(stream) {
  stream_.record(&records);
}

Recording::~Recording() {
  stream_.record(nullptr);
}

Profiler::Profiler() {
  check(cudaProfilerStart(), "cudaProfilerStart");
}

Profiler::~Profiler() {
  cudaProfilerStop();
}

void check_launches(const std::map<std::string, std::vector<const void*>>& graphs,
                    const std::vector<LaunchRecord>& recorded, const std::vector<LaunchRecord>& launched) {
  std::set<const void*> own;
  for (const auto* records : {&recorded, &launched})
    for (const LaunchRecord& r : *records) own.insert(r.kernel);
  own.erase(nullptr);
  for (const auto& [name, nodes] : graphs) {
    std::vector<const void*> kernels;
    for (const void* node : nodes)
      if (own.contains(node)) kernels.push_back(node);
    size_t at = 0;
    for (const LaunchRecord& r : launched) {
      if (r.kernel == nullptr || !within(r.scope, name)) continue;
      if (kernels.empty() || r.kernel != kernels[at % kernels.size()]) {
        throw Error(fmt::format(
            "profile: launched one by one, kernel {} of '{}' is {} ({}); the graph of {} kernels has another",
            kernels.empty() ? at : at % kernels.size(), name, r.op, r.scope, kernels.size()));
      }
      ++at;
    }
    if (at == 0 || at % kernels.size() != 0) {
      throw Error(
          fmt::format("profile: launched one by one, '{}' has {} kernels, no multiple of its graph's {}",
                      name, at, kernels.size()));
    }
  }
}

std::vector<Launch> launches_of(std::vector<LaunchRecord> records) {
  std::vector<Launch> out;
  out.reserve(records.size());
  for (LaunchRecord& r : records)
    out.push_back({std::move(r.scope), std::string(r.op), std::string(r.file), r.work});
  return out;
}

}  // namespace photon::PHOTON_GPU
