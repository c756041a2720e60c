// SPDX-License-Identifier: Apache-2.0
#include "reference/backend.h"

#include <fmt/format.h>
#include <omp.h>

#include <fstream>
#include <string>

#include "core/base/error.h"
#include "core/model/parameters.h"
#include "reference/blas.h"
#include "reference/ceilings.h"
#include "reference/clock.h"
#include "reference/inference.h"
#include "reference/memory.h"
#include "reference/timed_kernel.h"
#include "reference/trainable.h"
#include "reference/training_memory.h"

namespace photon::reference {
namespace {

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "CPU";
}

void check_size(const ModelSpec& spec, std::span<const float> parameters) {
  spec.validate();
  const auto expected = static_cast<size_t>(parameter_elements(spec));
  if (parameters.size() != expected) {
    throw Error(
        fmt::format("model '{}' has {} parameters, {} were given", spec.name, expected, parameters.size()));
  }
}

void require_no_recomputation(Recompute recompute) {
  if (recompute == Recompute::none) return;
  throw UsageError(
      fmt::format("the CPU keeps all activations: recompute = none, not {}", to_string(recompute)));
}

class CpuBackend final : public Backend {
 public:
  std::string device_name() const override {
    return fmt::format("{}, {} threads, {}", processor_name(), threads(), blas_name());
  }
  int threads() const override { return omp_get_max_threads(); }
  int64_t memory_bytes() const override { return usable_memory_bytes(); }
  int64_t memory_in_use() const override { return resident_bytes(); }
  double clock_mhz() const override { return core_clock_mhz(); }
  Ceilings measure_ceilings(DType dtype) override { return reference::measure_ceilings(dtype); }
  std::unique_ptr<TimedKernel> timed_kernel(const Kernel& kernel, DType dtype, int64_t footprint) override {
    return make_timed_kernel(kernel, dtype, footprint);
  }
  std::optional<TrainingPlan> training_plan(const ModelSpec& spec, int64_t sequences, int64_t length,
                                            const LossConfig&, Recompute recompute) const override {
    require_no_recomputation(recompute);
    TrainingPlan plan = plan_training(spec, sequences, length);
    plan.available = static_cast<int64_t>(usable_share * static_cast<double>(memory_bytes()));
    return plan;
  }
  std::unique_ptr<TrainableModel> trainable(const ModelSpec& spec, std::span<const float> parameters,
                                            Recompute recompute) override {
    require_no_recomputation(recompute);
    check_size(spec, parameters);
    return make_trainable(spec, parameters);
  }
  std::unique_ptr<InferenceModel> inference(const ModelSpec& spec, std::span<const float> parameters,
                                            DType dtype) override {
    check_size(spec, parameters);
    return make_inference(spec, parameters, dtype);
  }
};

}  // namespace

void add_backend(BackendRegistry& registry) {
  registry.add("cpu", [] { return std::make_unique<CpuBackend>(); });
}

}  // namespace photon::reference
