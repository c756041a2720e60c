// SPDX-License-Identifier: Apache-2.0
// The runtime's streams, events, captures, graphs and launches. While a stream is being captured, calls that
// could make the device wait, take or give back its memory, or load code onto it are refused and spoil the
// capture, as CUDA does in its global mode.
#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "cuda_impl/emulation/block.h"
#include "cuda_impl/emulation/kernel_name.h"
#include "cuda_impl/emulation/lane_order.h"
#include "cuda_impl/emulation/loaded_code.h"
#include "cuda_impl/emulation/runtime.h"
#include "cuda_impl/emulation/shared_memory.h"

namespace photon::emulation {

using namespace emulated;

struct GraphNode {
  cudaGraphNodeType type;
  cudaKernelNodeParams kernel;
  std::function<void()> work;
};

struct Graph {
  std::vector<std::shared_ptr<GraphNode>> nodes;
};

struct GraphProgram {
  std::vector<std::shared_ptr<GraphNode>> nodes;
};

/// A capture under way: its streams, and those that have not been waited for by the first one since their
/// last node.
struct Capture {
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  std::set<cudaStream_t> streams;
  std::set<cudaStream_t> unjoined;
  cudaStream_t origin = nullptr;
  bool invalidated = false;
};

struct StreamState {
  std::shared_ptr<Capture> capture;
};

struct EventState {
  bool timed = true;
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
  std::shared_ptr<Capture> capture;        ///< last recorded in a stream of this capture,
  cudaStream_t captured_stream = nullptr;  ///< this one
};

namespace {

std::set<std::shared_ptr<Capture>> captures;
std::unordered_map<const void*, size_t> allowed_dynamic_bytes;
uint64_t launch_seed = 1;
uint64_t launches = 0;
std::unordered_map<const void*, uint64_t> launches_of;  ///< of a kernel

bool capturing(cudaStream_t stream) {
  return stream != nullptr && stream->capture != nullptr;
}

size_t allowed_bytes(const void* function) {
  const auto found = allowed_dynamic_bytes.find(function);
  return found == allowed_dynamic_bytes.end() ? most_static_shared_bytes : found->second;
}

}  // namespace

bool spoils_capture() {
  for (const auto& capture : captures) capture->invalidated = true;
  return !captures.empty();
}

uint64_t emulation_seed() {
  return launch_seed;
}

cudaError_t enqueue(cudaStream_t stream, cudaGraphNodeType type, std::function<void()> work,
                    const cudaKernelNodeParams& kernel) {
  if (stream == nullptr && spoils_capture()) return returned(cudaErrorStreamCaptureImplicit);
  if (!capturing(stream)) {
    work();
    return cudaSuccess;
  }
  Capture& capture = *stream->capture;
  if (capture.invalidated) return returned(cudaErrorStreamCaptureInvalidated);
  capture.graph->nodes.push_back(std::make_shared<GraphNode>(GraphNode{type, kernel, std::move(work)}));
  if (stream != capture.origin) capture.unjoined.insert(stream);
  return cudaSuccess;
}

cudaError_t launch_kernel(const cudaLaunchConfig_t& config, const void* function,
                          void (*invoke)(const void* call), std::shared_ptr<const void> call) {
  const dim3& grid = config.gridDim;
  const dim3& threads = config.blockDim;
  const uint64_t per_block = uint64_t{threads.x} * threads.y * threads.z;
  if (function == nullptr) return returned(cudaErrorInvalidDeviceFunction);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535 ||
      per_block == 0 || per_block > 1024 || threads.z > 64) {
    return returned(cudaErrorInvalidConfiguration);
  }
  if (config.dynamicSmemBytes > allowed_bytes(function)) return returned(cudaErrorInvalidValue);
  bool overlaps_previous = false;
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    if (attribute.id == cudaLaunchAttributeProgrammaticStreamSerialization) {
      overlaps_previous = attribute.val.programmaticStreamSerializationAllowed != 0;
    } else if (attribute.id != cudaLaunchAttributeIgnore && attribute.id != cudaLaunchAttributePriority) {
      return returned(cudaErrorNotSupported);
    }
  }
  if (const cudaError_t error = load_code(code_name(function)); error != cudaSuccess) return error;
  const KernelRun run{.function = function,
                      .invoke = invoke,
                      .call = call.get(),
                      .grid = grid,
                      .block = threads,
                      .dynamic_shared_bytes = config.dynamicSmemBytes,
                      .overlaps_previous = overlaps_previous};
  const cudaKernelNodeParams node{const_cast<void*>(function),
                                  grid,
                                  threads,
                                  static_cast<unsigned>(config.dynamicSmemBytes),
                                  nullptr,
                                  nullptr};
  const auto work = [run, call = std::move(call)] {
    // Locking memory costs as much as a small kernel, and a kernel that is wrong once is wrong always.
    constexpr uint64_t always = 2;
    constexpr uint64_t seldom = 64;
    const uint64_t before = launches_of[run.function]++;
    KernelRun now = run;
    now.locks_memory = run.overlaps_previous && (before < always || before % seldom == 0);
    run_kernel(now, Random(launch_seed + 0x9e3779b97f4a7c15u * launches++).next());
  };
  return enqueue(config.stream, cudaGraphNodeTypeKernel, work, node);
}

}  // namespace photon::emulation

namespace photon::emulated {

using namespace emulation;

cudaError_t cudaMalloc(void** p, size_t bytes) {
  if (spoils_capture()) return returned(cudaErrorStreamCaptureUnsupported);
  *p = nullptr;
  if (bytes == 0) return cudaSuccess;
  *p = device_memory().allocate(bytes);
  return returned(*p == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFree(void* p) {
  if (p == nullptr) return cudaSuccess;
  if (spoils_capture()) return returned(cudaErrorStreamCaptureUnsupported);
  switch (device_memory().release(p)) {
    case DeviceMemory::Release::done:
      return cudaSuccess;
    case DeviceMemory::Release::unknown:
      return returned(cudaErrorInvalidValue);
    case DeviceMemory::Release::overrun:
      break;
  }
  return returned(cudaErrorIllegalAddress);
}

cudaError_t cudaDeviceSynchronize() {
  return returned(spoils_capture() ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  *stream = new StreamState;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (stream == nullptr) return returned(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    stream->capture->invalidated = true;
    stream->capture->streams.erase(stream);
    if (stream == stream->capture->origin) captures.erase(stream->capture);
  }
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaDeviceSynchronize();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return cudaStreamSynchronize(stream);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  if (!event->capture) return cudaSuccess;
  if (stream == nullptr) return returned(cudaErrorStreamCaptureImplicit);
  const std::shared_ptr<Capture> capture = event->capture;
  if (captures.count(capture) == 0) return returned(cudaErrorCapturedEvent);
  if (!stream->capture) {
    stream->capture = capture;
    capture->streams.insert(stream);
    capture->unjoined.insert(stream);
  } else if (stream == capture->origin) {
    capture->unjoined.erase(event->captured_stream);
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new EventState;
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  event->recorded = true;
  event->time = std::chrono::steady_clock::now();
  event->capture = capturing(stream) ? stream->capture : nullptr;
  event->captured_stream = stream;
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  if (event->capture) return returned(cudaErrorCapturedEvent);
  return returned(spoils_capture() ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return cudaEventQuery(event);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  for (const cudaEvent_t event : {begin, end}) {
    if (event == nullptr || !event->timed || !event->recorded)
      return returned(cudaErrorInvalidResourceHandle);
    if (event->capture) return returned(cudaErrorCapturedEvent);
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == nullptr) return returned(cudaErrorStreamCaptureUnsupported);
  if (stream->capture) return returned(cudaErrorInvalidValue);
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->streams.insert(stream);
  captures.insert(stream->capture);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!capturing(stream)) return returned(cudaErrorInvalidValue);
  if (stream->capture->origin != stream) return returned(cudaErrorStreamCaptureUnmatched);
  const std::shared_ptr<Capture> capture = stream->capture;
  captures.erase(capture);
  for (const cudaStream_t other : capture->streams) other->capture = nullptr;
  if (capture->invalidated) return returned(cudaErrorStreamCaptureInvalidated);
  if (!capture->unjoined.empty()) return returned(cudaErrorStreamCaptureUnjoined);
  *graph = capture->graph.release();
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = !capturing(stream)             ? cudaStreamCaptureStatusNone
            : stream->capture->invalidated ? cudaStreamCaptureStatusInvalidated
                                           : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  if (graph == nullptr) return returned(cudaErrorInvalidValue);
  *exec = new GraphProgram{graph->nodes};
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t) {
  return returned(exec == nullptr ? cudaErrorInvalidValue : cudaSuccess);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  if (exec == nullptr) return returned(cudaErrorInvalidValue);
  for (const auto& node : exec->nodes) {
    if (const cudaError_t error = enqueue(stream, node->type, node->work, node->kernel);
        error != cudaSuccess) {
      return error;
    }
  }
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  if (graph == nullptr) return returned(cudaErrorInvalidValue);
  if (nodes == nullptr) {
    *count = graph->nodes.size();
    return cudaSuccess;
  }
  for (size_t i = 0; i < *count; ++i) nodes[i] = i < graph->nodes.size() ? graph->nodes[i].get() : nullptr;
  *count = std::min(*count, graph->nodes.size());
  return cudaSuccess;
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  if (node == nullptr) return returned(cudaErrorInvalidValue);
  *type = node->type;
  return cudaSuccess;
}

cudaError_t cudaGraphKernelNodeGetParams(cudaGraphNode_t node, cudaKernelNodeParams* parameters) {
  if (node == nullptr || node->type != cudaGraphNodeTypeKernel) return returned(cudaErrorInvalidValue);
  *parameters = node->kernel;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  if (function == nullptr) return returned(cudaErrorInvalidDeviceFunction);
  if (spoils_capture()) return returned(cudaErrorStreamCaptureUnsupported);
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || static_cast<size_t>(value) > most_shared_bytes) return returned(cudaErrorInvalidValue);
    allowed_dynamic_bytes[function] = static_cast<size_t>(value);
  }
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  if (function == nullptr) return returned(cudaErrorInvalidDeviceFunction);
  if (const cudaError_t error = load_code(code_name(function)); error != cudaSuccess) return error;
  *attributes = {};
  attributes->maxThreadsPerBlock = 1024;
  attributes->ptxVersion = attributes->binaryVersion = 90;
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(allowed_bytes(function));
  return cudaSuccess;
}

cudaError_t cudaFuncGetName(const char** name, const void* function) {
  static std::map<const void*, std::string> names;
  auto& text = names[function];
  if (text.empty()) text = kernel_name(function);
  *name = text.c_str();
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads,
                                                          size_t dynamic_shared_bytes) {
  if (function == nullptr || threads < 1 || threads > 1024) return returned(cudaErrorInvalidValue);
  if (const cudaError_t error = load_code(code_name(function)); error != cudaSuccess) return error;
  const auto by_shared_memory = (most_shared_bytes + 1024) / (dynamic_shared_bytes + 1024);
  const int warps = (threads + 31) / 32;
  *blocks = std::min({64 / warps, 32, static_cast<int>(by_shared_memory)});
  return cudaSuccess;
}

void set_emulated_memory(size_t bytes) {
  device_memory().set_capacity(bytes);
}

void set_emulation_seed(uint64_t seed) {
  launch_seed = seed;
  launches = 0;
  launches_of.clear();
}

}  // namespace photon::emulated
