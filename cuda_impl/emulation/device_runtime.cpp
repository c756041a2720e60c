// SPDX-License-Identifier: Apache-2.0
// The runtime's calls on the device and its memory.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <string>

#include "cuda_impl/emulation/fault.h"
#include "cuda_impl/emulation/runtime.h"
#include "cuda_impl/emulation/shared_memory.h"

namespace photon::emulated {

using namespace emulation;

namespace {

/// Throws if the bytes do not lie on the side of the bus that the copy's kind says.
void check_side(const char* call, const char* end, const void* p, size_t bytes, bool device) {
  if (device ? device_memory().contains(p, bytes) : !device_memory().owns(p)) return;
  fault(std::string(call) + ": the " + end + ", " + std::to_string(bytes) + " bytes, " +
        (device ? "does not lie in one allocation on the device" : "is device memory, not the host's"));
}

void check_copy(const char* call, const void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (kind == cudaMemcpyDefault) {
    const bool to_device = device_memory().owns(to);
    const bool from_device = device_memory().owns(from);
    kind = static_cast<cudaMemcpyKind>((to_device ? 1 : 0) + (from_device ? 2 : 0));
  }
  check_side(call, "destination", to, bytes,
             kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice);
  check_side(call, "source", from, bytes, kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice);
}

/// Page-locked memory of the host, by its first byte.
std::map<const char*, size_t> pinned;

bool is_pinned(const void* p, size_t bytes) {
  const auto* at = static_cast<const char*>(p);
  const auto after = pinned.upper_bound(at);
  return after != pinned.begin() && std::prev(after)->first + std::prev(after)->second >= at + bytes;
}

/// A graph would copy from or to whatever pageable memory holds, or is, when it runs: CUDA refuses.
bool spoilt_by_pageable_memory(const void* to, const void* from, size_t bytes, cudaStream_t stream) {
  const auto pageable = [bytes](const void* p) { return !device_memory().owns(p) && !is_pinned(p, bytes); };
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  cudaStreamIsCapturing(stream, &status);
  return status == cudaStreamCaptureStatusActive && (pageable(to) || pageable(from)) && spoils_capture();
}

}  // namespace

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return returned(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return returned(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "emulated");
  properties->totalGlobalMem = device_memory().capacity();
  properties->sharedMemPerBlock = most_static_shared_bytes;
  properties->sharedMemPerBlockOptin = most_shared_bytes;
  properties->sharedMemPerMultiprocessor = most_shared_bytes + 1024;
  properties->reservedSharedMemPerBlock = 1024;
  properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->maxBlocksPerMultiProcessor = 32;
  properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
  properties->maxThreadsDim[2] = 64;
  properties->maxGridSize[0] = 0x7fffffff;
  properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
  properties->major = 9;
  properties->multiProcessorCount = 2;
  properties->l2CacheSize = 1 << 20;
  properties->memoryBusWidth = 64;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device); error != cudaSuccess)
    return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      return cudaSuccess;
    case cudaDevAttrMaxBlockDimX:
      *value = properties.maxThreadsDim[0];
      return cudaSuccess;
    case cudaDevAttrMaxGridDimX:
      *value = properties.maxGridSize[0];
      return cudaSuccess;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      *value = properties.maxGridSize[1];
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(properties.sharedMemPerBlock);
      return cudaSuccess;
    case cudaDevAttrWarpSize:
      *value = properties.warpSize;
      return cudaSuccess;
    case cudaDevAttrMaxRegistersPerBlock:
      *value = properties.regsPerBlock;
      return cudaSuccess;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
      *value = 1'000'000;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = properties.memoryBusWidth;
      return cudaSuccess;
    case cudaDevAttrL2CacheSize:
      *value = properties.l2CacheSize;
      return cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = properties.maxThreadsPerMultiProcessor;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(properties.sharedMemPerMultiprocessor);
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(properties.sharedMemPerBlockOptin);
      return cudaSuccess;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *value = properties.maxBlocksPerMultiProcessor;
      return cudaSuccess;
  }
  return returned(cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaProfilerStart() {
  return cudaSuccess;
}

cudaError_t cudaProfilerStop() {
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** p, size_t bytes) {
  if (spoils_capture()) return returned(cudaErrorStreamCaptureUnsupported);
  *p = std::aligned_alloc(256, (bytes + 255) / 256 * 256 + 256);
  if (*p == nullptr) return returned(cudaErrorMemoryAllocation);
  pinned[static_cast<const char*>(*p)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
  return cudaMallocHost(p, bytes);
}

cudaError_t cudaFreeHost(void* p) {
  if (p == nullptr) return cudaSuccess;
  if (spoils_capture()) return returned(cudaErrorStreamCaptureUnsupported);
  if (pinned.erase(static_cast<const char*>(p)) == 0) return returned(cudaErrorInvalidValue);
  std::free(p);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = device_memory().capacity();
  *free = *total - std::min(*total, device_memory().used());
  return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  if (width > to_pitch || width > from_pitch) return returned(cudaErrorInvalidValue);
  if (width == 0 || height == 0) return cudaSuccess;
  check_copy("cudaMemcpy2DAsync", to, from, 1, kind);
  check_copy("cudaMemcpy2DAsync", static_cast<char*>(to) + (height - 1) * to_pitch + width - 1,
             static_cast<const char*>(from) + (height - 1) * from_pitch + width - 1, 1, kind);
  if (spoilt_by_pageable_memory(to, from, width, stream)) return returned(cudaErrorStreamCaptureUnsupported);
  return enqueue(stream, cudaGraphNodeTypeMemcpy, [=] {
    for (size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch,
                  width);
    }
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  check_copy("cudaMemcpyAsync", to, from, bytes, kind);
  if (spoilt_by_pageable_memory(to, from, bytes, stream)) return returned(cudaErrorStreamCaptureUnsupported);
  return enqueue(stream, cudaGraphNodeTypeMemcpy, [=] { std::memmove(to, from, bytes); });
}

cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  check_side("cudaMemsetAsync", "destination", p, bytes, true);
  return enqueue(stream, cudaGraphNodeTypeMemset, [=] { std::memset(p, value, bytes); });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}

cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  return cudaMemsetAsync(p, value, bytes, nullptr);
}

}  // namespace photon::emulated
