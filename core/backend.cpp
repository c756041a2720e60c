#include "core/backend.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"

namespace photon {

std::string_view to_string(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::bfloat16:
      return "bfloat16";
  }
  return "";
}

DType parse_dtype(std::string_view name) {
  for (const DType d : {DType::float32, DType::float64, DType::bfloat16}) {
    if (to_string(d) == name) return d;
  }
  throw UsageError(fmt::format("no dtype '{}'; there is: float32, float64, bfloat16", name));
}

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

int64_t element_bytes(DType dtype) {
  return dtype == DType::float64 ? 8 : dtype == DType::float32 ? 4 : 2;
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
