#include "cuda_impl/runtime/backend.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/parameters.h"
#include "cuda_impl/runtime/ceilings.h"
#include "cuda_impl/runtime/device.h"
#include "cuda_impl/runtime/inference.h"
#include "cuda_impl/runtime/stream.h"

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
  Ceilings measure_ceilings(DType dtype) override { return PHOTON_GPU::measure_ceilings(device_, dtype); }
  std::unique_ptr<TrainableModel> trainable(const ModelSpec& spec, std::span<const float>) override {
    throw Error(fmt::format("model '{}': training runs on --device cpu", spec.name));
  }
  std::unique_ptr<InferenceModel> inference(const ModelSpec& spec, std::span<const float> parameters,
                                            DType dtype) override {
    spec.validate();
    const auto expected = static_cast<size_t>(parameter_elements(spec));
    if (parameters.size() != expected) {
      throw Error(
          fmt::format("model '{}' has {} parameters, {} were given", spec.name, expected, parameters.size()));
    }
    return make_inference(spec, parameters, dtype, limits_);
  }

 private:
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
