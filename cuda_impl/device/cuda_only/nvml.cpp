// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/device/cuda_only/nvml.h"

#include <array>
#include <utility>

#include "core/base/error.h"

namespace photon::cuda {
namespace {

// As nvml.h declares them; its ABI is stable within these versioned names.
using nvmlReturn_t = int;
using nvmlDevice_t = struct nvmlDevice_st*;
constexpr nvmlReturn_t nvml_success = 0;
constexpr unsigned clock_of_multiprocessors = 1;
constexpr unsigned clock_of_memory = 2;

}  // namespace

struct Nvml::Library {
  SharedLibrary file{{"libnvidia-ml.so.1"}, "it belongs to NVIDIA's driver"};
  nvmlReturn_t (*init)() = file.function<nvmlReturn_t()>("nvmlInit_v2");
  nvmlReturn_t (*shutdown)() = file.function<nvmlReturn_t()>("nvmlShutdown");
  nvmlReturn_t (*device_by_bus)(const char*, nvmlDevice_t*) =
      file.function<nvmlReturn_t(const char*, nvmlDevice_t*)>("nvmlDeviceGetHandleByPciBusId_v2");
  nvmlReturn_t (*driver)(char*, unsigned) =
      file.function<nvmlReturn_t(char*, unsigned)>("nvmlSystemGetDriverVersion");
  nvmlReturn_t (*clock)(nvmlDevice_t, unsigned, unsigned*) =
      file.function<nvmlReturn_t(nvmlDevice_t, unsigned, unsigned*)>("nvmlDeviceGetClockInfo");
  nvmlReturn_t (*reasons)(nvmlDevice_t, unsigned long long*) =
      file.function<nvmlReturn_t(nvmlDevice_t, unsigned long long*)>(
          "nvmlDeviceGetCurrentClocksThrottleReasons");
  nvmlReturn_t (*power)(nvmlDevice_t, unsigned*) =
      file.function<nvmlReturn_t(nvmlDevice_t, unsigned*)>("nvmlDeviceGetPowerUsage");
  nvmlReturn_t (*power_limit)(nvmlDevice_t, unsigned*) =
      file.function<nvmlReturn_t(nvmlDevice_t, unsigned*)>("nvmlDeviceGetEnforcedPowerLimit");
  nvmlDevice_t device = nullptr;
};

Nvml::Nvml() {
  try {
    auto library = std::make_unique<Library>();
    if (library->init() != nvml_success) return;
    std::array<char, 32> bus{};
    if (cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), 0) == cudaSuccess &&
        library->device_by_bus(bus.data(), &library->device) == nvml_success) {
      library_ = std::move(library);
    } else {
      cudaGetLastError();
      library->shutdown();
    }
  } catch (const Error&) {
    // Nothing that is computed depends on it.
  }
}

Nvml::~Nvml() {
  if (library_ != nullptr) library_->shutdown();
}

Device::State Nvml::state() const {
  Device::State out;
  if (library_ == nullptr) return out;
  unsigned value = 0;
  const auto read = [&](nvmlReturn_t answer, double scale) {
    return answer == nvml_success ? scale * value : 0.0;
  };
  out.clock_mhz = read(library_->clock(library_->device, clock_of_multiprocessors, &value), 1.0);
  out.memory_clock_mhz = read(library_->clock(library_->device, clock_of_memory, &value), 1.0);
  out.power_watts = read(library_->power(library_->device, &value), 1e-3);
  out.power_limit_watts = read(library_->power_limit(library_->device, &value), 1e-3);
  unsigned long long bits = 0;
  if (library_->reasons(library_->device, &bits) == nvml_success) out.held_back_by = clock_reasons(bits);
  return out;
}

std::string Nvml::driver_version() const {
  std::array<char, 96> text{};
  if (library_ == nullptr ||
      library_->driver(text.data(), static_cast<unsigned>(text.size())) != nvml_success) {
    return "";
  }
  return text.data();
}

const Nvml& nvml() {
  static const Nvml opened;
  return opened;
}

std::string clock_reasons(unsigned long long bits) {
  static constexpr std::array<std::pair<unsigned long long, const char*>, 7> words{{
      {0x002, "clocks set by the administrator"},
      {0x004, "power limit"},
      {0x008, "hardware slowdown"},
      {0x020, "temperature"},
      {0x040, "temperature (hardware)"},
      {0x080, "power brake"},
      {0x010, "synchronised with other GPUs"},
  }};
  std::string out;
  for (const auto& [bit, word] : words) {
    if ((bits & bit) == 0) continue;
    if (!out.empty()) out += ", ";
    out += word;
  }
  return out;
}

}  // namespace photon::cuda
