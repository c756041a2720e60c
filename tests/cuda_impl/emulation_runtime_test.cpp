// SPDX-License-Identifier: Apache-2.0
// The emulated CUDA runtime: memory that can run out, copies that must stay inside, launches beyond the
// device's limits, streams and events, and graphs that replay what was captured.
#include "tests/cuda_impl/emulation_support.h"

namespace photon::emulated {
namespace {

__global__ void add_one(int* p) {
  atomicAdd(&p[threadIdx.x], 1);
}
__global__ void double_it(int* p) {
  p[threadIdx.x] *= 2;
}
__global__ void touch_shared(int* p) {
  dynamic_shared<int>()[threadIdx.x] = 3;
  p[threadIdx.x] = dynamic_shared<int>()[threadIdx.x];
}

/// The codes that a call leaves behind, which the next one must not find.
cudaError_t last_error() {
  const cudaError_t peeked = cudaPeekAtLastError();
  EXPECT_EQ(cudaGetLastError(), peeked);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  return peeked;
}

TEST(EmulatedRuntime, MemoryRunsOutAndComesBack) {
  size_t free_before = 0;
  size_t total = 0;
  cudaMemGetInfo(&free_before, &total);
  EXPECT_EQ(total, size_t{4} << 30);
  set_emulated_memory(total - free_before + 10'000);
  void* first = nullptr;
  void* second = nullptr;
  ASSERT_EQ(cudaMalloc(&first, 6'000), cudaSuccess);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 256, 0u);
  EXPECT_EQ(cudaMalloc(&second, 4'001), cudaErrorMemoryAllocation);
  EXPECT_EQ(second, nullptr);
  EXPECT_EQ(last_error(), cudaErrorMemoryAllocation);
  size_t left = 0;
  cudaMemGetInfo(&left, &total);
  EXPECT_EQ(left, 4'000u);
  EXPECT_EQ(cudaMalloc(&second, 4'000), cudaSuccess);
  EXPECT_EQ(cudaFree(second), cudaSuccess);
  EXPECT_EQ(cudaFree(first), cudaSuccess);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
  int on_host = 0;
  EXPECT_EQ(cudaFree(&on_host), cudaErrorInvalidValue);
  EXPECT_EQ(last_error(), cudaErrorInvalidValue);
  set_emulated_memory(size_t{4} << 30);
  EXPECT_EQ(cudaMalloc(&second, size_t{1} << 40), cudaErrorMemoryAllocation);
  last_error();
}

TEST(EmulatedRuntime, CopiesStayInsideAndGoTheRightWay) {
  const DeviceArray<int> a(10);
  const DeviceArray<int> b(std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  std::vector<int> host(20, -5);
  const auto copy = [](void* to, const void* from, size_t count, cudaMemcpyKind kind) {
    return complaint([&] { EXPECT_EQ(cudaMemcpy(to, from, count * sizeof(int), kind), cudaSuccess); });
  };
  EXPECT_EQ(copy(a.data(), b.data(), 10, cudaMemcpyDeviceToDevice), "");
  EXPECT_EQ(a.read(), b.read());
  EXPECT_EQ(copy(host.data() + 3, a.data() + 2, 8, cudaMemcpyDefault), "");
  EXPECT_EQ(host[2], -5);
  EXPECT_EQ(host[3], 3);
  EXPECT_EQ(host[10], 10);
  EXPECT_EQ(host[11], -5);
  EXPECT_TRUE(holds(copy(a.data(), host.data(), 11, cudaMemcpyHostToDevice), {"destination", "44 bytes"}));
  EXPECT_TRUE(holds(copy(host.data(), a.data() + 5, 6, cudaMemcpyDeviceToHost), {"source", "24 bytes"}));
  EXPECT_TRUE(holds(copy(host.data(), a.data(), 5, cudaMemcpyHostToDevice), {"destination"}));
  EXPECT_TRUE(holds(copy(host.data(), a.data(), 5, cudaMemcpyHostToHost), {"source", "is device memory"}));
  EXPECT_TRUE(holds(complaint([&] { cudaMemset(a.data(), 0, 41); }), {"cudaMemsetAsync", "41 bytes"}));
  EXPECT_EQ(cudaMemset(a.data() + 9, 0, 4), cudaSuccess);
  EXPECT_EQ(a.read()[9], 0);
  EXPECT_EQ(a.read()[8], 9);

  // Two columns of a (3, 3) matrix into a (3, 2) one.
  const DeviceArray<int> columns(6);
  EXPECT_EQ(cudaMemcpy2DAsync(columns.data(), 8, b.data() + 1, 12, 8, 3, cudaMemcpyDeviceToDevice),
            cudaSuccess);
  EXPECT_EQ(columns.read(), (std::vector<int>{2, 3, 5, 6, 8, 9}));
  EXPECT_TRUE(holds(complaint([&] {
                      cudaMemcpy2DAsync(columns.data(), 8, b.data() + 1, 12, 8, 4, cudaMemcpyDeviceToDevice);
                    }),
                    {"cudaMemcpy2DAsync"}));
}

TEST(EmulatedRuntime, LaunchesBeyondTheDeviceAreRefused) {
  const DeviceArray<int> data(std::vector<int>(1024, 0));
  EXPECT_EQ(start({1, 1024}, add_one, data.data()), cudaSuccess);
  EXPECT_EQ(start({1, 1025}, add_one, data.data()), cudaErrorInvalidConfiguration);
  EXPECT_EQ(last_error(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(start({1, dim3(512, 3)}, add_one, data.data()), cudaErrorInvalidConfiguration);
  EXPECT_EQ(start({0, 32}, add_one, data.data()), cudaErrorInvalidConfiguration);
  EXPECT_EQ(start({dim3(1, 65536), 32}, add_one, data.data()), cudaErrorInvalidConfiguration);
  EXPECT_EQ(start({1, 0}, add_one, data.data()), cudaErrorInvalidConfiguration);
  EXPECT_EQ(data.read(), std::vector<int>(1024, 1));
  last_error();
}

TEST(EmulatedRuntime, MuchSharedMemoryHasToBeAskedFor) {
  const DeviceArray<int> data(32);
  EXPECT_EQ(start({1, 32, 48 * 1024}, touch_shared, data.data()), cudaSuccess);
  EXPECT_EQ(start({1, 32, 48 * 1024 + 4}, touch_shared, data.data()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(touch_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 227 * 1024),
            cudaSuccess);
  EXPECT_EQ(start({1, 32, 227 * 1024}, touch_shared, data.data()), cudaSuccess);
  EXPECT_EQ(data.read(), std::vector<int>(32, 3));
  EXPECT_EQ(start({1, 32, 227 * 1024 + 4}, touch_shared, data.data()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(touch_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 * 1024),
            cudaErrorInvalidValue);
  last_error();
}

using Much = float[12 * 1024 + 1];

__global__ void too_many_variables() {
  PHOTON_SHARED(Much, much);
  much[0] = 0.0f;
}

TEST(EmulatedRuntime, StaticSharedMemoryHasItsOwnLimit) {
  EXPECT_TRUE(holds(complaint([] {
                      start({1, 32}, too_many_variables);
                    }),
                    {"too_many_variables", "49156 bytes of variables", "49152 for variables"}));
}

TEST(EmulatedRuntime, AttributesOfTheDevice) {
  cudaDeviceProp properties;
  ASSERT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_STREQ(properties.name, "emulated");
  const auto attribute = [](cudaDeviceAttr which) {
    int value = -1;
    EXPECT_EQ(cudaDeviceGetAttribute(&value, which, 0), cudaSuccess);
    return value;
  };
  EXPECT_EQ(attribute(cudaDevAttrMultiProcessorCount), properties.multiProcessorCount);
  EXPECT_EQ(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin), 227 * 1024);
  EXPECT_EQ(attribute(cudaDevAttrWarpSize), 32);
  int value = 0;
  EXPECT_EQ(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 1), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  EXPECT_STREQ(cudaGetErrorName(cudaErrorInvalidDevice), "cudaErrorInvalidDevice");
  last_error();
}

TEST(EmulatedRuntime, EventsMeasureTime) {
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  ASSERT_EQ(cudaEventCreate(&begin), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&end, cudaEventDefault), cudaSuccess);
  float milliseconds = -1.0f;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin, end), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventRecord(begin), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(end), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin, end), cudaSuccess);
  EXPECT_GE(milliseconds, 0.0f);
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  last_error();
}

class EmulatedCaptures : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreate(&other_), cudaSuccess);
    cudaFuncAttributes attributes{};  // asking for them loads a kernel
    for (const auto kernel : {add_one, double_it}) {
      ASSERT_EQ(cudaFuncGetAttributes(&attributes, kernel), cudaSuccess);
    }
  }
  void TearDown() override {
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(other_), cudaSuccess);
    cudaGetLastError();
  }
  template <class... P, class... A>
  static cudaError_t start_in(cudaStream_t stream, void (*kernel)(P...), const A&... arguments) {
    cudaLaunchConfig_t config{1, 4, 0, stream, nullptr, 0};
    return cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
  }

  cudaStream_t stream_ = nullptr;
  cudaStream_t other_ = nullptr;
};

TEST_F(EmulatedCaptures, GraphsReplayWhatWasCaptured) {
  const DeviceArray<int> data(std::vector<int>(4, 5));
  const DeviceArray<int> copy(4);
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  cudaStreamCaptureStatus status{};
  cudaStreamIsCapturing(stream_, &status);
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  int* p = data.data();
  EXPECT_EQ(start_in(stream_, add_one, p), cudaSuccess);
  p = nullptr;  // arguments were taken at the launch
  EXPECT_EQ(start_in(stream_, double_it, data.data()), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(copy.data(), data.data(), 16, cudaMemcpyDeviceToDevice, stream_), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(data.data(), 0, 4, stream_), cudaSuccess);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  cudaStreamIsCapturing(stream_, &status);
  EXPECT_EQ(status, cudaStreamCaptureStatusNone);
  EXPECT_EQ(data.read(), std::vector<int>(4, 5)) << "capturing ran the work";

  size_t count = 0;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &count), cudaSuccess);
  ASSERT_EQ(count, 4u);
  std::vector<cudaGraphNode_t> nodes(count);
  ASSERT_EQ(cudaGraphGetNodes(graph, nodes.data(), &count), cudaSuccess);
  std::vector<cudaGraphNodeType> types(count);
  for (size_t i = 0; i < count; ++i) cudaGraphNodeGetType(nodes[i], &types[i]);
  EXPECT_EQ(types, (std::vector{cudaGraphNodeTypeKernel, cudaGraphNodeTypeKernel, cudaGraphNodeTypeMemcpy,
                                cudaGraphNodeTypeMemset}));
  cudaKernelNodeParams parameters{};
  ASSERT_EQ(cudaGraphKernelNodeGetParams(nodes[1], &parameters), cudaSuccess);
  EXPECT_EQ(parameters.func, reinterpret_cast<void*>(double_it));
  EXPECT_EQ(parameters.blockDim.x, 4u);
  EXPECT_EQ(cudaGraphKernelNodeGetParams(nodes[2], &parameters), cudaErrorInvalidValue);

  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&exec, graph), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(exec, stream_), cudaSuccess);
  EXPECT_EQ(copy.read(), std::vector<int>(4, 12));
  EXPECT_EQ(data.read(), (std::vector<int>{0, 12, 12, 12}));
  EXPECT_EQ(cudaGraphLaunch(exec, other_), cudaSuccess);
  EXPECT_EQ(copy.read(), (std::vector<int>{2, 26, 26, 26}));
  EXPECT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
}

TEST_F(EmulatedCaptures, KernelsHaveNames) {
  const char* name = nullptr;
  ASSERT_EQ(cudaFuncGetName(&name, reinterpret_cast<const void*>(double_it)), cudaSuccess);
  EXPECT_TRUE(std::string(name).ends_with("::double_it")) << name;
}

TEST_F(EmulatedCaptures, StreamsForkAndJoin) {
  const DeviceArray<int> data(std::vector<int>(4, 1));
  cudaEvent_t forked = nullptr;
  cudaEvent_t joined = nullptr;
  cudaEventCreateWithFlags(&forked, cudaEventDisableTiming);
  cudaEventCreateWithFlags(&joined, cudaEventDisableTiming);
  for (const bool join : {true, false}) {
    cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal);
    start_in(stream_, add_one, data.data());
    cudaEventRecord(forked, stream_);
    EXPECT_EQ(cudaStreamWaitEvent(other_, forked), cudaSuccess);
    EXPECT_EQ(start_in(other_, double_it, data.data()), cudaSuccess);
    EXPECT_EQ(cudaEventQuery(forked), cudaErrorCapturedEvent);
    cudaEventRecord(joined, other_);
    if (join) cudaStreamWaitEvent(stream_, joined);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), join ? cudaSuccess : cudaErrorStreamCaptureUnjoined);
    size_t count = 0;
    if (join) cudaGraphGetNodes(graph, nullptr, &count);
    EXPECT_EQ(count, join ? 2u : 0u);
    cudaGraphDestroy(graph);
  }
  cudaEventDestroy(forked);
  cudaEventDestroy(joined);
}

TEST_F(EmulatedCaptures, DoNotSurviveCallsThatWaitTakeMemoryOrLoadCode) {
  const DeviceArray<int> data(4);
  const DeviceArray<int> more(4);
  std::vector<int> pageable(4);
  void* page_locked = nullptr;
  ASSERT_EQ(cudaMallocHost(&page_locked, 16), cudaSuccess);
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, other_), cudaSuccess);
  const auto spoils = [&](auto call, cudaError_t expected = cudaErrorStreamCaptureUnsupported) {
    ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_EQ(call(), expected);
    EXPECT_EQ(start_in(stream_, add_one, data.data()), cudaErrorStreamCaptureInvalidated);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
  };
  void* p = nullptr;
  spoils([&] { return cudaStreamSynchronize(stream_); });
  spoils([&] { return cudaStreamSynchronize(other_); });
  spoils([&] { return cudaStreamQuery(other_); });
  spoils([&] { return cudaDeviceSynchronize(); });
  spoils([&] { return cudaEventQuery(event); });
  spoils([&] { return cudaEventSynchronize(event); });
  spoils([&] { return cudaFree(data.data()); });
  spoils([&] { return cudaMalloc(&p, 4); });
  spoils([&] { return cudaMallocHost(&p, 4); });
  spoils([&] { return cudaFreeHost(page_locked); });
  spoils([&] { return cudaMemset(data.data(), 0, 4); }, cudaErrorStreamCaptureImplicit);
  spoils([&] { return cudaMemcpy(data.data(), more.data(), 16, cudaMemcpyDeviceToDevice); },
         cudaErrorStreamCaptureImplicit);
  spoils([&] { return cudaMemcpyAsync(data.data(), pageable.data(), 16, cudaMemcpyHostToDevice, stream_); });
  spoils([&] { return cudaMemcpyAsync(pageable.data(), data.data(), 16, cudaMemcpyDeviceToHost, stream_); });
  spoils([&] { return cudaFuncSetAttribute(add_one, cudaFuncAttributeMaxDynamicSharedMemorySize, 1024); });
  forget_loaded_code();
  cudaFuncAttributes attributes{};
  int blocks = 0;
  ASSERT_EQ(cudaFuncGetAttributes(&attributes, add_one), cudaSuccess);
  spoils([&] { return start_in(stream_, double_it, data.data()); });
  spoils([&] { return start_in(other_, double_it, data.data()); });
  spoils([&] { return cudaFuncGetAttributes(&attributes, double_it); });
  spoils([&] { return cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, double_it, 32, 0); });
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(page_locked), cudaSuccess);
}

TEST_F(EmulatedCaptures, TakeCopiesOfPageLockedMemory) {
  const DeviceArray<int> data(std::vector<int>{1, 2, 3, 4});
  void* page_locked = nullptr;
  ASSERT_EQ(cudaMallocHost(&page_locked, 16), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(page_locked, data.data(), 16, cudaMemcpyDeviceToHost, stream_), cudaSuccess);
  EXPECT_EQ(
      cudaMemcpyAsync(static_cast<char*>(page_locked) + 4, data.data(), 16, cudaMemcpyDeviceToHost, stream_),
      cudaErrorStreamCaptureUnsupported)
      << "beyond its end";
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaFreeHost(page_locked), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(page_locked), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace photon::emulated
