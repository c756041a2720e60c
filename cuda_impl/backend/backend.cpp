// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/backend/backend.h"

#include <fmt/format.h>

#include "core/base/error.h"
#include "core/model/parameters.h"
#include "cuda_impl/backend/ceilings.h"
#include "cuda_impl/backend/inference.h"
#include "cuda_impl/backend/timed_kernel.h"
#include "cuda_impl/device/device.h"
#include "cuda_impl/device/stream.h"
#include "cuda_impl/model/matmul.h"
#include "cuda_impl/training/trainable.h"

namespace photon::PHOTON_GPU {
namespace {

class DeviceBackend final : public Backend {
 public:
  DeviceBackend() { limits_.multiprocessors = device_.multiprocessors(); }

  std::string device_name() const override { return device_.name(); }
  int threads() const override { return device_.multiprocessors(); }
  int64_t memory_bytes() const override { return device_.memory_bytes(); }
  int64_t memory_in_use() const override { return device_.memory_in_use(); }
  double clock_mhz() const override { return device_.state().clock_mhz; }
  std::string held_back_by() const override { return device_.state().held_back_by; }
  std::string driver_version() const override { return device_.driver_version(); }
  DType own_dtype() const override { return DType::bfloat16; }
  std::vector<std::string> kernels_run() const override { return Stream::launched(); }
  std::vector<std::string> products_made() const override { return Matmul::plans(); }
  Ceilings measure_ceilings(DType dtype) override { return PHOTON_GPU::measure_ceilings(device_, dtype); }
  std::unique_ptr<TimedKernel> timed_kernel(const Kernel& kernel, DType dtype, int64_t footprint) override {
    return make_timed_kernel(kernel, dtype, footprint, limits_.multiprocessors);
  }
  std::optional<TrainingPlan> training_plan(const ModelSpec& spec, int64_t sequences, int64_t length,
                                            const LossConfig& loss, Recompute recompute) const override {
    return plan_training(spec, sequences, length, loss, recompute);
  }
  std::vector<Launch> training_launches(const ModelSpec& spec, const TokenBatch& batch,
                                        const LossConfig& loss, Recompute recompute) const override {
    return PHOTON_GPU::training_launches(spec, batch, loss, recompute);
  }
  std::unique_ptr<TrainableModel> trainable(const ModelSpec& spec, std::span<const float> parameters,
                                            Recompute recompute) override {
    check_size(spec, parameters);
    return make_trainable(spec, parameters, recompute);
  }
  std::unique_ptr<InferenceModel> inference(const ModelSpec& spec, std::span<const float> parameters,
                                            DType dtype) override {
    check_size(spec, parameters);
    return make_inference(spec, parameters, dtype, limits_);
  }

 private:
  static void check_size(const ModelSpec& spec, std::span<const float> parameters) {
    spec.validate();
    const auto expected = static_cast<size_t>(parameter_elements(spec));
    if (parameters.size() != expected) {
      throw Error(
          fmt::format("model '{}' has {} parameters, {} were given", spec.name, expected, parameters.size()));
    }
  }

  Device device_;
  EngineLimits limits_;
};

}  // namespace

void add_backend(BackendRegistry& registry) {
#ifdef PHOTON_CUDA
  const char* name = "cuda";
#else
  const char* name = "emulated";
#endif
  registry.add(name, [] { return std::make_unique<DeviceBackend>(); });
}

}  // namespace photon::PHOTON_GPU
