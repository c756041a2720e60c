// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/device/nvtx.h"

#ifdef PHOTON_CUDA
#include <nvtx3/nvToolsExt.h>

#include <string>
#endif

namespace photon::PHOTON_GPU {

#ifdef PHOTON_CUDA
namespace {

nvtxDomainHandle_t domain() {
  static const nvtxDomainHandle_t handle = [] {
    nvtxDomainHandle_t d = nvtxDomainCreateA("photon");
    for (uint32_t level = 1; level <= 8; ++level) {
      nvtxDomainNameCategoryA(d, level, ("level " + std::to_string(level)).c_str());
    }
    return d;
  }();
  return handle;
}

}  // namespace

void nvtx_push(const char* name, int level) {
  nvtxEventAttributes_t event{};
  event.version = NVTX_VERSION;
  event.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  event.category = static_cast<uint32_t>(level);
  event.messageType = NVTX_MESSAGE_TYPE_ASCII;
  event.message.ascii = name;
  nvtxDomainRangePushEx(domain(), &event);
}
void nvtx_pop() {
  nvtxDomainRangePop(domain());
}
#else
void nvtx_push(const char*, int) {}
void nvtx_pop() {}
#endif

}  // namespace photon::PHOTON_GPU
