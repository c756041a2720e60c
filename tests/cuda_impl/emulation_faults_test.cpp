// SPDX-License-Identifier: Apache-2.0
// What the emulator is for: each planted bug is caught, by an exception that says where, or by results that
// are wrong under nearly every order of the lanes.
#include "tests/cuda_impl/emulation_support.h"

namespace photon::emulated {
namespace {

constexpr int seeds = 20;
using FloatPerThread = float[128];

template <bool Barrier>
__global__ void reverse_block(const float* in, float* out) {
  PHOTON_SHARED(FloatPerThread, all);
  all[threadIdx.x] = in[threadIdx.x];
  if (Barrier) __syncthreads();
  out[threadIdx.x] = all[blockDim.x - 1 - threadIdx.x];
}

/// The second barrier keeps a fast warp from writing what a slow one has not read.
template <bool SecondBarrier>
__global__ void rotate_block(float* data, int rounds) {
  PHOTON_SHARED(FloatPerThread, all);
  float mine = data[threadIdx.x];
  for (int i = 0; i < rounds; ++i) {
    all[threadIdx.x] = mine;
    __syncthreads();
    mine = all[(threadIdx.x + 32) % blockDim.x];
    if (SecondBarrier) __syncthreads();
  }
  data[threadIdx.x] = mine;
}

template <bool Barrier>
__global__ void exchange_in_warp(float* data) {
  PHOTON_SHARED(FloatPerThread, all);
  all[threadIdx.x] = data[threadIdx.x];
  if (Barrier) __syncwarp();
  data[threadIdx.x] = all[threadIdx.x ^ 1];
}

template <bool Wait>
__global__ void copy_through_shared(const float* in, float* out) {
  PHOTON_SHARED(FloatPerThread, all);
  copy_async<4>(&all[threadIdx.x], &in[threadIdx.x]);
  copy_async_commit();
  if (Wait) copy_async_wait<0>();
  __syncthreads();
  out[threadIdx.x] = all[threadIdx.x];
}

/// Seeds under which `kernel` turns the numbers 0, 1, .. into something other than `expected` says.
template <class Expected>
int wrong_runs(void (*kernel)(const float*, float*), const Expected& expected) {
  std::vector<float> numbers(128);
  for (int i = 0; i < 128; ++i) numbers[i] = static_cast<float>(i);
  const DeviceArray<float> in(numbers);
  DeviceArray<float> out(128);
  int wrong = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    EXPECT_EQ(start({1, 128}, kernel, in.data(), out.data()), cudaSuccess);
    const std::vector<float> result = out.read();
    bool right = true;
    for (int i = 0; i < 128; ++i) right = right && result[i] == expected(i);
    wrong += !right;
  }
  return wrong;
}

/// The same for a kernel that works in place.
template <class Expected, class... A>
int wrong_runs_in_place(void (*kernel)(float*, A...), const Expected& expected, A... arguments) {
  std::vector<float> numbers(128);
  for (int i = 0; i < 128; ++i) numbers[i] = static_cast<float>(i);
  DeviceArray<float> data(128);
  int wrong = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    data.write(numbers);
    EXPECT_EQ(start({1, 128}, kernel, data.data(), arguments...), cudaSuccess);
    const std::vector<float> result = data.read();
    bool right = true;
    for (int i = 0; i < 128; ++i) right = right && result[i] == expected(i);
    wrong += !right;
  }
  return wrong;
}

TEST(EmulationFaults, MissingBlockBarrierShows) {
  const auto reversed = [](int i) { return static_cast<float>(127 - i); };
  EXPECT_EQ(wrong_runs(reverse_block<true>, reversed), 0);
  EXPECT_EQ(wrong_runs(reverse_block<false>, reversed), seeds);
}

TEST(EmulationFaults, MissingSecondBarrierShows) {
  const auto rotated = [](int i) { return static_cast<float>((i + 5 * 32) % 128); };
  EXPECT_EQ(wrong_runs_in_place(rotate_block<true>, rotated, 5), 0);
  EXPECT_GT(wrong_runs_in_place(rotate_block<false>, rotated, 5), seeds / 2);
}

TEST(EmulationFaults, RaceBetweenTwoLanesShows) {
  const auto swapped = [](int i) { return static_cast<float>(i ^ 1); };
  EXPECT_EQ(wrong_runs_in_place(exchange_in_warp<true>, swapped), 0);
  EXPECT_EQ(wrong_runs_in_place(exchange_in_warp<false>, swapped), seeds);
}

TEST(EmulationFaults, MissingCopyWaitShows) {
  const auto same = [](int i) { return static_cast<float>(i); };
  EXPECT_EQ(wrong_runs(copy_through_shared<true>, same), 0);
  EXPECT_EQ(wrong_runs(copy_through_shared<false>, same), seeds);
}

__global__ void write_at(float* p, int index) {
  if (threadIdx.x == 3) p[index] = 1.0f;
}

__global__ void read_at(const float* p, int index, float* out) {
  if (threadIdx.x == 3) *out = p[index];
}

TEST(EmulationFaults, GlobalWriteOutOfBoundsIsFound) {
  const DeviceArray<float> data(50);
  EXPECT_EQ(start({1, 32}, write_at, data.data(), 49), cudaSuccess);
  EXPECT_FORBIDDEN(start({1, 32}, write_at, data.data(), 50),
                   "write_at, block (0, 0, 0): device memory: a write "
                   "past the end, at offset 200 of an allocation of 200");
  EXPECT_FORBIDDEN(start({1, 32}, write_at, data.data(), -1), "before the first byte, at offset -4");
  // Nothing is left behind that a later launch would be blamed for.
  EXPECT_EQ(start({1, 32}, write_at, data.data(), 0), cudaSuccess);
}

TEST(EmulationFaults, WritesBetweenPartsOfAnAllocationAreFound) {
  const DeviceArray<float> data(std::vector<float>(128, 1.0f));
  emulation::device_memory().lay_out_part(data.data(), 240, 256);
  emulation::device_memory().lay_out_part(data.data() + 64, 256, 256);
  EXPECT_EQ(start({1, 32}, write_at, data.data(), 59), cudaSuccess);
  EXPECT_EQ(start({1, 32}, write_at, data.data(), 64), cudaSuccess);
  EXPECT_FORBIDDEN(start({1, 32}, write_at, data.data(), 61), "between two parts, at offset 244");
  float host[128];
  EXPECT_EQ(complaint([&] { cudaMemcpy(host, data.data(), 240, cudaMemcpyDeviceToHost); }), "");
  EXPECT_TRUE(std::isnan(host[58]));
  EXPECT_EQ(host[59], 1.0f);
  EXPECT_FALSE(complaint([&] { cudaMemcpy(host, data.data(), 244, cudaMemcpyDeviceToHost); }).empty());
  EXPECT_FALSE(complaint([&] { cudaMemcpy(host, data.data() + 62, 8, cudaMemcpyDeviceToHost); }).empty());
  // A new division of the same memory forgets the old one.
  emulation::device_memory().lay_out_part(data.data(), 512, 512);
  EXPECT_EQ(start({1, 32}, write_at, data.data(), 61), cudaSuccess);
  EXPECT_TRUE(std::isnan(data.read()[59]));
}

TEST(EmulationFaults, UninitialisedAndForeignGlobalMemoryIsNaN) {
  const DeviceArray<float> data(50);
  const DeviceArray<float> out(1);
  EXPECT_EQ(start({1, 32}, read_at, data.data(), 7, out.data()), cudaSuccess);
  EXPECT_TRUE(std::isnan(out.read()[0]));
  if constexpr (emulation::address_sanitizer) {
    EXPECT_DEATH(start({1, 32}, read_at, data.data(), 50, out.data()), "use-after-poison");
  } else {
    EXPECT_EQ(start({1, 32}, read_at, data.data(), 50, out.data()), cudaSuccess);
    EXPECT_TRUE(std::isnan(out.read()[0]));
  }
}

using ThreeFloats = float[3];

__global__ void write_shared_at(int index) {
  PHOTON_SHARED(ThreeFloats, some);
  PHOTON_SHARED(ThreeFloats, others);
  some[0] = others[0] = 0.0f;
  float* p = some;
  if (threadIdx.x == 3) p[index] = 1.0f;
}

__global__ void write_dynamic_at(int index) {
  if (threadIdx.x == 3) dynamic_shared<float>()[index] = 1.0f;
}

TEST(EmulationFaults, SharedWriteOutOfBoundsIsFound) {
  EXPECT_EQ(start({1, 32}, write_shared_at, 2), cudaSuccess);
  EXPECT_FORBIDDEN(start({1, 32}, write_shared_at, 3), "0 bytes past the end of the shared variable at");
  EXPECT_FORBIDDEN(start({1, 32}, write_shared_at, 30), "past the end of the shared variable at");
  EXPECT_FORBIDDEN(start({1, 32}, write_shared_at, -2), "8 bytes before the shared variable at");
  EXPECT_EQ(start({1, 32, 40}, write_dynamic_at, 9), cudaSuccess);
  EXPECT_FORBIDDEN(start({1, 32, 40}, write_dynamic_at, 10),
                   "0 bytes past the end of dynamic shared memory (40");
  EXPECT_FORBIDDEN(start({1, 32}, write_dynamic_at, 0),
                   "0 bytes past the end of dynamic shared memory (0 bytes)");
}

__global__ void read_uninitialised_shared(float* out) {
  PHOTON_SHARED(FloatPerThread, all);
  out[threadIdx.x] = all[threadIdx.x];
  out[128 + threadIdx.x] = to_float(dynamic_shared<bf16>()[threadIdx.x]);
  // For the next block, which must not see it.
  all[threadIdx.x] = 1.0f;
  dynamic_shared<bf16>()[threadIdx.x] = to_bf16(1.0f);
}

TEST(EmulationFaults, UninitialisedSharedMemoryIsNaNInEveryBlock) {
  const DeviceArray<float> out(256);
  EXPECT_EQ(start({3, 128, 256}, read_uninitialised_shared, out.data()), cudaSuccess);
  for (const float x : out.read()) EXPECT_TRUE(std::isnan(x));
}

__global__ void different_lines(float* out) {
  float x = 1.0f;
  if (threadIdx.x < 12) {
    x = __shfl_xor_sync(full_warp, x, 1);
  } else {
    x = __shfl_xor_sync(full_warp, x, 2);
  }
  out[threadIdx.x] = x;
}

__global__ void different_masks(float* out) {
  const unsigned mask = threadIdx.x < 16 ? 0x0000ffffu : full_warp;
  out[threadIdx.x] = __shfl_xor_sync(mask, 1.0f, 1);
}

__global__ void foreign_mask(float* out) {
  out[threadIdx.x] = __shfl_xor_sync(0xffu, 1.0f, 1);
}

__global__ void exited_lane(float* out) {
  if (threadIdx.x == 5) return;
  out[threadIdx.x] = __shfl_xor_sync(full_warp, 1.0f, 1);
}

__global__ void different_kinds(float* out) {
  if (threadIdx.x % 2 == 0) __syncwarp();
  out[threadIdx.x] = __any_sync(full_warp, 1) ? 1.0f : 0.0f;
}

__global__ void divergent_mma(float* out) {
  float d[4] = {};
  const uint32_t a[4] = {};
  const uint32_t b[2] = {};
  if (threadIdx.x < 31) mma_m16n8k16(d, a, b);
  out[threadIdx.x] = d[0];
}

TEST(EmulationFaults, DivergentCollectivesAreFound) {
  const DeviceArray<float> out(64);
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    const auto of = [&](unsigned threads, void (*kernel)(float*)) {
      return complaint([&] { start({1, threads}, kernel, out.data()); });
    };
    EXPECT_TRUE(
        holds(of(32, different_lines), {"different_lines, block (0, 0, 0), warp 0", "different places",
                                        "lanes 0-11 in __shfl_xor_sync (mask 0xffffffff) at ",
                                        "lanes 12-31 in __shfl_xor_sync", "emulation_faults_test.cpp:"}));
    EXPECT_TRUE(holds(of(32, different_masks), {"__shfl_xor_sync (mask 0xffffffff)", "return"}));
    EXPECT_TRUE(holds(of(32, foreign_mask), {"the mask does not name the calling lane"}));
    EXPECT_TRUE(holds(of(32, exited_lane), {"lane 5", "return"}));
    EXPECT_TRUE(holds(of(64, exited_lane), {"lane 5", "return"}));
    EXPECT_TRUE(holds(of(40, exited_lane), {"return"}));
    EXPECT_TRUE(holds(of(32, different_kinds), {"different places", "__syncwarp", "__any_sync"}));
    EXPECT_FALSE(of(32, divergent_mma).empty());
  }
}

TEST(EmulationFaults, MaskOfLanesThatNeverExistedIsFound) {
  const DeviceArray<float> out(64);
  const auto whole_warp = [](float* p) { p[threadIdx.x] = __shfl_xor_sync(full_warp, 1.0f, 1); };
  void (*kernel)(float*) = whole_warp;
  EXPECT_EQ(complaint([&] { start({1, 64}, kernel, out.data()); }), "");
  EXPECT_TRUE(holds(complaint([&] {
                      start({1, 40}, kernel, out.data());
                    }),
                    {"warp 1", "lanes 8-31", "never existed"}));
}

__global__ void return_before_barrier() {
  if (threadIdx.x == 40) return;
  __syncthreads();
}

__global__ void barrier_in_divergent_code() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void barrier_or_collective() {
  if (threadIdx.x % 32 == 0) {
    __syncthreads();
  } else {
    __syncwarp();
  }
}

TEST(EmulationFaults, ThreadsThatMissABarrierAreFound) {
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    const auto of = [](void (*kernel)()) { return complaint([&] { start({1, 64}, kernel); }); };
    EXPECT_TRUE(holds(of(return_before_barrier), {"return_before_barrier", "no return before a barrier",
                                                  "lane 8 returned", "__syncthreads at"}));
    EXPECT_TRUE(holds(of(barrier_in_divergent_code),
                      {"different barriers", "warp 0: ", "warp 1: ", " in __syncthreads at "}));
    EXPECT_TRUE(holds(of(barrier_or_collective), {"deadlock", "warp 1: lane 0 in __syncthreads",
                                                  "lanes 1-31 in __syncwarp (mask 0xffffffff)"}));
  }
}

__global__ void never_waits() {}
__global__ void waits() {
  wait_for_previous_kernel();
}
__global__ void reads_early(const float* in, float* out) {
  const float x = in[threadIdx.x];
  wait_for_previous_kernel();
  out[threadIdx.x] = x;
}
__global__ void writes_early(float* out) {
  if (threadIdx.x == 40) out[3] = 1.0f;
  wait_for_previous_kernel();
}
__global__ void meets_before_it_waits(const float* in, float* out) {
  PHOTON_SHARED(FloatPerThread, all);
  all[threadIdx.x] = __shfl_xor_sync(full_warp, 1.0f, 1);
  __syncthreads();
  wait_for_previous_kernel();
  out[threadIdx.x] = in[threadIdx.x] + all[threadIdx.x];
}
__global__ void waits_here_and_there(const float* in, float* out) {
  if (threadIdx.x % 32 == 0) wait_for_previous_kernel();
  __syncwarp();
  if (threadIdx.x % 32 != 0) wait_for_previous_kernel();
  out[threadIdx.x] = in[threadIdx.x] + 1.0f;
}
__global__ void returns_early(const float* in, float* out) {
  wait_for_previous_kernel();
  if (threadIdx.x >= 64) return;
  out[threadIdx.x] = in[threadIdx.x] + 1.0f;
  out[threadIdx.x + 64] = in[threadIdx.x + 64] + 1.0f;
}

class EmulationOverlap : public ::testing::Test {
 protected:
  EmulationOverlap() {
    overlap_.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap_.val.programmaticStreamSerializationAllowed = 1;
  }
  template <class... P, class... A>
  cudaError_t start_overlapping(void (*kernel)(P...), const A&... arguments) {
    const cudaLaunchConfig_t config{3, 128, 0, nullptr, &overlap_, 1};
    return cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
  }

  cudaLaunchAttribute overlap_{};
};

TEST_F(EmulationOverlap, KernelsHaveToWait) {
  EXPECT_TRUE(
      holds(complaint([&] { start_overlapping(never_waits); }), {"never_waits", "wait_for_previous_kernel"}));
  EXPECT_EQ(start_overlapping(waits), cudaSuccess);
  overlap_.val.programmaticStreamSerializationAllowed = 0;
  EXPECT_EQ(start_overlapping(never_waits), cudaSuccess);
}

TEST_F(EmulationOverlap, AccessesBeforeTheWaitAreFound) {
  const DeviceArray<float> in(std::vector<float>(128, 1.0f));
  const DeviceArray<float> out(128);
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    EXPECT_TRUE(holds(complaint([&] { start_overlapping(reads_early, in.data(), out.data()); }),
                      {"reads_early", "an allocation of 512 bytes before wait_for_previous_kernel()"}));
    EXPECT_TRUE(holds(complaint([&] { start_overlapping(writes_early, out.data()); }),
                      {"writes_early, block", "warp 1, lane 8: an access to offset 12 of"}));
    // Memory is there again.
    EXPECT_EQ(in.read(), std::vector<float>(128, 1.0f));
    for (const auto kernel : {meets_before_it_waits, waits_here_and_there, returns_early}) {
      cudaMemset(out.data(), 0xff, 512);
      EXPECT_EQ(start_overlapping(kernel, in.data(), out.data()), cudaSuccess);
      EXPECT_EQ(out.read(), std::vector<float>(128, 2.0f));
    }
  }
}

__global__ void misaligned_pack(const bf16* p, float* out) {
  out[0] = to_float(load_pack<8>(p).v[0]);
}
__global__ void misaligned_copy(const float* p) {
  copy_async<16>(dynamic_shared<float>(), p);
}
__global__ void copy_to_global(const float* p, float* out) {
  copy_async<4>(out, p);
}
__global__ void copy_from_nowhere(const float* p) {
  copy_async<16>(dynamic_shared<float>(), p + 64);
}
__global__ void copy_zeros_from_nowhere(const float* p, float* out) {
  copy_async<16>(dynamic_shared<float>(), p + 64, false);
  copy_async_commit();
  copy_async_wait<0>();
  for (int i = 0; i < 4; ++i) out[i] = dynamic_shared<float>()[i];
}
__global__ void tiles_from_global(const float* p) {
  uint32_t r[4];
  load_matrix_x4(r, p);
}

TEST(EmulationFaults, AddressesAreChecked) {
  const DeviceArray<bf16> in(16);
  const DeviceArray<float> floats(std::vector<float>(64, 1.0f));
  const DeviceArray<float> out(4);
  EXPECT_TRUE(holds(complaint([&] {
                      start({1, 1}, misaligned_pack, in.data() + 4, out.data());
                    }),
                    {"misaligned_pack", "16 bytes"}));
  EXPECT_TRUE(holds(complaint([&] {
                      start({1, 1, 16}, misaligned_copy, floats.data() + 2);
                    }),
                    {"multiple of 16"}));
  EXPECT_TRUE(holds(complaint([&] {
                      start({1, 1}, copy_to_global, floats.data(), out.data());
                    }),
                    {"outside the block's shared memory"}));
  EXPECT_TRUE(holds(complaint([&] {
                      start({1, 1, 16}, copy_from_nowhere, floats.data());
                    }),
                    {"outside device memory"}));
  EXPECT_TRUE(holds(complaint([&] {
                      start({1, 1, 8}, copy_from_nowhere, floats.data() - 64);
                    }),
                    {"outside the block's shared memory"}));
  EXPECT_EQ(complaint([&] { start({1, 1, 16}, copy_zeros_from_nowhere, floats.data(), out.data()); }), "");
  EXPECT_EQ(out.read(), std::vector<float>(4, 0.0f));
  EXPECT_TRUE(holds(complaint([&] {
                      start({1, 32}, tiles_from_global, floats.data());
                    }),
                    {"load_matrix_x4", "outside the block's shared memory"}));
}

__global__ void throws() {
  if (threadIdx.x == 9) throw std::out_of_range("from a thread");
  __syncthreads();
}

TEST(EmulationFaults, ExceptionsOfAThreadLeaveTheLaunch) {
  EXPECT_THROW(start({1, 64}, throws), std::out_of_range);
  // The emulator is whole again afterwards.
  EXPECT_EQ(start({1, 64}, waits), cudaSuccess);
}

TEST(EmulationFaults, CollectivesOutsideKernelsAreRefused) {
  EXPECT_TRUE(holds(complaint([] { __syncthreads(); }), {"outside a kernel"}));
  EXPECT_TRUE(holds(complaint([] { __syncwarp(); }), {"outside a kernel"}));
}

}  // namespace
}  // namespace photon::emulated
