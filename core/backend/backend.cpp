// SPDX-License-Identifier: Apache-2.0
#include "core/backend/backend.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/error.h"

namespace photon {

std::string_view to_string(Recompute recompute) {
  switch (recompute) {
    case Recompute::none:
      return "none";
    case Recompute::inner:
      return "inner";
    case Recompute::layer:
      return "layer";
  }
  return "";
}

Recompute parse_recompute(std::string_view name) {
  for (const Recompute r : {Recompute::none, Recompute::inner, Recompute::layer}) {
    if (to_string(r) == name) return r;
  }
  throw UsageError(fmt::format("no recomputation '{}'; there is: none, inner, layer", name));
}

namespace {

[[noreturn]] void no_kernels() {
  throw Error("this device starts no kernels: there is nothing to profile (--device cuda or emulated)");
}

}  // namespace

std::vector<Launch> TrainableModel::profile(const TokenBatch&, const LossConfig&, const AdamWStep&,
                                            const std::string&) {
  no_kernels();
}

std::vector<Launch> InferenceModel::profile(const GenerationRequest&, const std::string&) {
  no_kernels();
}

std::vector<Launch> Backend::training_launches(const ModelSpec&, const TokenBatch&, const LossConfig&,
                                               Recompute) const {
  no_kernels();
}

std::unique_ptr<TimedKernel> Backend::timed_kernel(const Kernel& kernel, DType, int64_t) {
  throw Error(fmt::format("{} times no single kernels: {}", device_name(), describe(kernel)));
}

std::optional<TrainingPlan> Backend::training_plan(const ModelSpec&, int64_t, int64_t, const LossConfig&,
                                                   Recompute) const {
  return std::nullopt;
}

void BackendRegistry::add(const std::string& name, Factory factory) {
  factories_[name] = std::move(factory);
}

std::unique_ptr<Backend> BackendRegistry::make(const std::string& name) const {
  const auto it = factories_.find(name);
  if (it == factories_.end()) {
    throw UsageError(
        fmt::format("no device '{}' in this build; there is: {}", name, fmt::join(names(), ", ")));
  }
  return it->second();
}

std::vector<std::string> BackendRegistry::names() const {
  std::vector<std::string> out;
  for (const auto& [name, factory] : factories_) out.push_back(name);
  return out;
}

}  // namespace photon
