// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/device/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "core/base/error.h"
#include "cuda_impl/device/error.h"
#ifdef PHOTON_CUDA
#include "cuda_impl/device/cuda_only/nvml.h"
#endif

namespace photon::PHOTON_GPU {
namespace {

#ifdef PHOTON_CUDA
constexpr std::string_view architectures = PHOTON_CUDA_BUILT_FOR;
#else
constexpr std::string_view architectures = "90a";  // what the emulated device says it is
#endif

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void find_devices() {
  int count = 0;  // stays as it is on failure
  const cudaError_t answer = cudaGetDeviceCount(&count);
  if (answer == cudaSuccess && count > 0) return;
  cudaGetLastError();
  int driver = 0;
  int runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  throw Error(why_no_device(answer == cudaSuccess ? cudaErrorNoDevice : answer, driver, runtime,
                            environment("CUDA_VISIBLE_DEVICES")));
}

}  // namespace

std::string why_no_device(cudaError_t answer, int driver_version, int runtime_version,
                          std::string_view visible_devices) {
  const std::string otherwise = "--device emulated runs the same kernels without one";
  if (answer == cudaErrorInsufficientDriver && driver_version == 0) {
    return fmt::format(
        "no GPU: NVIDIA's driver is not installed, or its libcuda.so.1 cannot be found (in a container: "
        "start it with --gpus all); {}",
        otherwise);
  }
  if (answer == cudaErrorInsufficientDriver) {
    return fmt::format("the GPU's driver is too old: it is for CUDA {}, this program needs CUDA {} or newer",
                       version_text(driver_version), version_text(runtime_version));
  }
  if (answer == cudaErrorNoDevice && !visible_devices.empty()) {
    return fmt::format("no GPU: CUDA_VISIBLE_DEVICES is '{}', which leaves none; {}", visible_devices,
                       otherwise);
  }
  if (answer == cudaErrorNoDevice) {
    return fmt::format("no GPU: the driver is there and lists none (nvidia-smi says more); {}", otherwise);
  }
  if (answer == cudaErrorSystemDriverMismatch) {
    return "the GPU's kernel driver and its libcuda.so.1 are of different versions: the machine was updated "
           "and not started again";
  }
  if (answer == cudaErrorSystemNotReady) {
    return "the GPU is not ready: on a machine with NVSwitch nvidia-fabricmanager has to run";
  }
  return fmt::format("no usable GPU: {} ({})", cudaGetErrorString(answer), cudaGetErrorName(answer));
}

bool compiled_for(std::string_view architectures_built, int major, int minor) {
  while (!architectures_built.empty()) {
    const std::string_view one = architectures_built.substr(0, architectures_built.find(';'));
    architectures_built.remove_prefix(std::min(one.size() + 1, architectures_built.size()));
    int number = 0;
    const auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), number);
    if (error != std::errc() || number / 10 != major) continue;
    const bool exact = end != one.data() + one.size() && *end == 'a';
    if (exact ? number % 10 == minor : number % 10 <= minor) return true;
  }
  return false;
}

Device::Device() {
  find_devices();
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  name_ = properties.name;
  multiprocessors_ = properties.multiProcessorCount;
  memory_bytes_ = static_cast<int64_t>(properties.totalGlobalMem);
  cache_bytes_ = properties.l2CacheSize;
  if (!compiled_for(architectures, properties.major, properties.minor)) {
    throw Error(fmt::format(
        "{} has compute capability {}.{}, this program's kernels were compiled for {}; build it for this "
        "GPU: ./photon build --cuda-arch {}{}{}",
        name_, properties.major, properties.minor, architectures, properties.major, properties.minor,
        properties.major >= 9 ? "a" : " (which needs 9.0 or newer)"));
  }
  check(cudaSetDevice(0), "cudaSetDevice");
  const cudaError_t opened = cudaFree(nullptr);  // the first call that touches the GPU
  if (opened == cudaErrorMemoryAllocation) {
    throw Error(fmt::format(
        "no memory left on {}: other processes hold it (nvidia-smi lists them); CUDA_VISIBLE_DEVICES=1 "
        "takes the next GPU",
        name_));
  }
  check(opened, "opening the GPU");
}

int64_t Device::memory_in_use() const {
  size_t free = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<int64_t>(total - free);
}

#ifdef PHOTON_CUDA
Device::State Device::state() const {
  return nvml().state();
}
std::string Device::driver_version() const {
  return nvml().driver_version();
}
#else
Device::State Device::state() const {
  return {};
}
std::string Device::driver_version() const {
  return "";
}
#endif

}  // namespace photon::PHOTON_GPU
