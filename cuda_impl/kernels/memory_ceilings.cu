// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/memory_ceilings.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int threads = 512;
constexpr int words = 4;   // of one load: 16 bytes
constexpr int unroll = 4;  // loads a thread has under way

__global__ void __launch_bounds__(threads) read_memory_kernel(ReadMemory args) {
  using WarpSums = uint32_t[threads / warp_size];
  PHOTON_SHARED(WarpSums, warp_sums);
  wait_for_previous_kernel();
  const int64_t loads = args.bytes / (words * static_cast<int64_t>(sizeof(uint32_t)));
  const int64_t stride = int64_t{gridDim.x} * threads;
  uint32_t sum = 0;
  const auto read = [&](int64_t load) {
    const Pack<uint32_t, words> x = load_streaming<uint32_t, words>(args.data + load * words);
    return x.v[0] ^ x.v[1] ^ x.v[2] ^ x.v[3];
  };
  for (int pass = 0; pass < args.passes; ++pass) {
    const int64_t share = (int64_t{blockIdx.x} + pass) % gridDim.x;
    int64_t load = share * threads + threadIdx.x;
    for (; load + (unroll - 1) * stride < loads; load += unroll * stride) {
      uint32_t parts[unroll];
#pragma unroll
      for (int i = 0; i < unroll; ++i) parts[i] = read(load + i * stride);
#pragma unroll
      for (int i = 0; i < unroll; ++i) sum ^= parts[i];
    }
    for (; load < loads; load += stride) sum ^= read(load);
  }
  for (int lanes = warp_size / 2; lanes > 0; lanes /= 2) sum ^= __shfl_xor_sync(full_warp, sum, lanes);
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  if (threadIdx.x % warp_size == 0) warp_sums[warp] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    uint32_t all = 0;
    for (const uint32_t x : warp_sums) all ^= x;
    args.sums[blockIdx.x] = all;
  }
}

__global__ void __launch_bounds__(threads) copy_memory_kernel(CopyMemory args) {
  wait_for_previous_kernel();
  using Words = Pack<uint32_t, words>;
  const int64_t loads = args.bytes / static_cast<int64_t>(sizeof(Words));
  const int64_t stride = int64_t{gridDim.x} * threads;
  auto* to = reinterpret_cast<Words*>(args.to);
  int64_t load = int64_t{blockIdx.x} * threads + threadIdx.x;
  for (; load + (unroll - 1) * stride < loads; load += unroll * stride) {
    Words parts[unroll];
#pragma unroll
    for (int i = 0; i < unroll; ++i) {
      parts[i] = load_streaming<uint32_t, words>(args.from + (load + i * stride) * words);
    }
#pragma unroll
    for (int i = 0; i < unroll; ++i) to[load + i * stride] = parts[i];
  }
  for (; load < loads; load += stride) {
    to[load] = load_streaming<uint32_t, words>(args.from + load * words);
  }
}

__global__ void nothing_kernel() {
  wait_for_previous_kernel();
}

Work traffic(int64_t bytes) {
  Work work;
  work.other_bytes = static_cast<double>(bytes);
  return work;
}

}  // namespace

void read_memory(Stream& stream, const ReadMemory& args, int blocks) {
  stream.launch({"read_memory", traffic(args.bytes * args.passes)},
                {dim3(static_cast<unsigned>(blocks)), threads}, read_memory_kernel, args);
}

void copy_memory(Stream& stream, const CopyMemory& args, int blocks) {
  stream.launch({"copy_memory", traffic(2 * args.bytes)}, {dim3(static_cast<unsigned>(blocks)), threads},
                copy_memory_kernel, args);
}

void launch_nothing(Stream& stream) {
  stream.launch({"nothing", Work()}, {dim3(1), warp_size}, nothing_kernel);
}

}  // namespace photon::PHOTON_GPU
