#include "cuda_impl/runtime/backend.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/parameters.h"
#include "cuda_impl/runtime/error.h"
#include "cuda_impl/runtime/inference.h"

namespace photon::PHOTON_GPU {
namespace {

class DeviceBackend final : public Backend {
 public:
  DeviceBackend() { limits_.multiprocessors = attribute(cudaDevAttrMultiProcessorCount); }

  std::string device_name() const override {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    return properties.name;
  }
  int threads() const override { return limits_.multiprocessors; }
  int64_t memory_bytes() const override { return memory().total; }
  int64_t memory_in_use() const override {
    const Memory m = memory();
    return m.total - m.free;
  }
  Ceilings measure_ceilings(DType) override { return {}; }
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
  struct Memory {
    int64_t free = 0;
    int64_t total = 0;
  };
  static Memory memory() {
    size_t free = 0;
    size_t total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return {static_cast<int64_t>(free), static_cast<int64_t>(total)};
  }
  static int attribute(cudaDeviceAttr which) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, 0), "cudaDeviceGetAttribute");
    return value;
  }

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
