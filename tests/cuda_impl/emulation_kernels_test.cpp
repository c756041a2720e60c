// SPDX-License-Identifier: Apache-2.0
// Correct kernels compute the same under every order of blocks and lanes: reductions, scans, tiles through
// ldmatrix and mma, double buffering with cp.async. Inputs are small integers, so that sums are exact.
#include "tests/cuda_impl/emulation_support.h"

namespace photon::emulated {
namespace {

constexpr int seeds = 50;

std::vector<float> small_integers(size_t size, int salt) {
  std::mt19937_64 engine(test_seed() + static_cast<uint64_t>(salt));
  std::vector<float> out(size);
  for (float& x : out) x = static_cast<float>(static_cast<int>(engine() % 9) - 4);
  return out;
}

std::vector<bf16> as_bf16(const std::vector<float>& values) {
  std::vector<bf16> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) out[i] = to_bf16(values[i]);
  return out;
}

template <int Warps>
__global__ void __launch_bounds__(Warps * 32) sum_rows(const float* x, float* sums, int width) {
  using PerWarp = float[Warps];
  PHOTON_SHARED(PerWarp, partial);
  float sum = 0.0f;
  for (int i = static_cast<int>(threadIdx.x); i < width; i += Warps * 32) sum += x[blockIdx.x * width + i];
#pragma unroll
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(full_warp, sum, step);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0.0f;
    for (const float p : partial) total += p;
    sums[blockIdx.x] = total;
  }
}

TEST(EmulationKernels, BlockReduction) {
  constexpr int rows = 7;
  constexpr int width = 301;
  const std::vector<float> x = small_integers(rows * width, 1);
  const DeviceArray<float> in(x);
  DeviceArray<float> out(rows);
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    out.poison();
    ASSERT_EQ(start({rows, 96}, sum_rows<3>, in.data(), out.data(), width), cudaSuccess);
    const std::vector<float> sums = out.read();
    for (int r = 0; r < rows; ++r) {
      float expected = 0.0f;
      for (int i = 0; i < width; ++i) expected += x[r * width + i];
      EXPECT_EQ(sums[r], expected);
    }
  }
}

/// Inclusive sums of segments of `width` lanes; the last warp may be short.
__global__ void scan_segments(const float* x, float* out, int width, int count) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int present = count - static_cast<int>(threadIdx.x) + lane;
  const unsigned mask = present >= 32 ? full_warp : (1u << present) - 1;
  float sum = x[threadIdx.x];
  for (int step = 1; step < width; step *= 2) {
    const float before = __shfl_up_sync(mask, sum, static_cast<unsigned>(step), width);
    if (lane % width >= step) sum += before;
  }
  out[threadIdx.x] = sum;
}

TEST(EmulationKernels, WarpScan) {
  constexpr int count = 75;
  const std::vector<float> x = small_integers(count, 2);
  const DeviceArray<float> in(x);
  DeviceArray<float> out(count);
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    for (const int width : {2, 8, 32}) {
      out.poison();
      ASSERT_EQ(start({1, count}, scan_segments, in.data(), out.data(), width, count), cudaSuccess);
      const std::vector<float> sums = out.read();
      float expected = 0.0f;
      for (int i = 0; i < count; ++i) {
        expected = (i % 32 % width == 0 ? 0.0f : expected) + x[i];
        EXPECT_EQ(sums[i], expected) << i;
      }
    }
  }
}

/// The fragments of mma.m16n8kK straight from memory, as PTX's tables give them.
template <int K>
__global__ void multiply_tile(const bf16* a, const bf16* b, float* d) {
  const int group = static_cast<int>(threadIdx.x) / 4;
  const int pair = static_cast<int>(threadIdx.x) % 4 * 2;
  uint32_t fa[K / 4];
  uint32_t fb[K / 8];
  for (int r = 0; r < K / 4; ++r) {
    std::memcpy(&fa[r], &a[(group + r % 2 * 8) * K + pair + r / 2 * 8], sizeof(fa[r]));
  }
  for (int r = 0; r < K / 8; ++r) std::memcpy(&fb[r], &b[group * K + pair + r * 8], sizeof(fb[r]));
  float fd[4];
  for (int r = 0; r < 4; ++r) fd[r] = d[(group + r / 2 * 8) * 8 + pair + r % 2];
  if constexpr (K == 16) {
    mma_m16n8k16(fd, fa, fb);
  } else {
    mma_m16n8k8(fd, fa, fb);
  }
  for (int r = 0; r < 4; ++r) d[(group + r / 2 * 8) * 8 + pair + r % 2] = fd[r];
}

template <int K>
void expect_tile_product() {
  const std::vector<float> a = small_integers(16 * K, 3);
  const std::vector<float> b = small_integers(8 * K, 4);  // column by column
  const std::vector<float> c = small_integers(16 * 8, 5);
  const DeviceArray<bf16> da(as_bf16(a));
  const DeviceArray<bf16> db(as_bf16(b));
  DeviceArray<float> dd(16 * 8);
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    dd.write(c);
    ASSERT_EQ(start({1, 32}, multiply_tile<K>, da.data(), db.data(), dd.data()), cudaSuccess);
    const std::vector<float> d = dd.read();
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 8; ++j) {
        float expected = c[i * 8 + j];
        for (int k = 0; k < K; ++k) expected += a[i * K + k] * b[j * K + k];
        EXPECT_EQ(d[i * 8 + j], expected) << i << ' ' << j;
      }
    }
  }
}

TEST(EmulationKernels, MatrixTile) {
  expect_tile_product<16>();
  expect_tile_product<8>();
}

/// Product of (16, 16) by (16, 8), both row-major: a's fragments by ldmatrix, b's by its transposing form,
/// the four tiles of which are b's two and those of a second b.
__global__ void multiply_through_shared(const bf16* a, const bf16* b, float* d) {
  bf16* shared_a = dynamic_shared<bf16>();
  bf16* shared_b = shared_a + 16 * 16;
  for (unsigned i = threadIdx.x; i < 16 * 16; i += 32) shared_a[i] = a[i];
  for (unsigned i = threadIdx.x; i < 16 * 16; i += 32) shared_b[i] = b[i];
  __syncwarp();
  const int row = static_cast<int>(threadIdx.x) % 16;
  const int column = static_cast<int>(threadIdx.x) / 16 * 8;
  uint32_t fa[4];
  uint32_t fb[4];
  load_matrix_x4(fa, &shared_a[row * 16 + column]);
  load_matrix_x4_transposed(fb, &shared_b[row * 16 + column]);
  const int group = static_cast<int>(threadIdx.x) / 4;
  const int pair = static_cast<int>(threadIdx.x) % 4 * 2;
  for (int half = 0; half < 2; ++half) {
    float fd[4] = {};
    const uint32_t of_half[2] = {fb[half * 2], fb[half * 2 + 1]};
    mma_m16n8k16(fd, fa, of_half);
    for (int r = 0; r < 4; ++r) d[(group + r / 2 * 8) * 16 + half * 8 + pair + r % 2] = fd[r];
  }
}

TEST(EmulationKernels, MatrixTilesThroughSharedMemory) {
  const std::vector<float> a = small_integers(16 * 16, 6);
  const std::vector<float> b = small_integers(16 * 16, 7);
  const DeviceArray<bf16> da(as_bf16(a));
  const DeviceArray<bf16> db(as_bf16(b));
  DeviceArray<float> dd(16 * 16);
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    dd.poison();
    ASSERT_EQ(
        start({1, 32, 2 * 16 * 16 * sizeof(bf16)}, multiply_through_shared, da.data(), db.data(), dd.data()),
        cudaSuccess);
    const std::vector<float> d = dd.read();
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 16; ++j) {
        float expected = 0.0f;
        for (int k = 0; k < 16; ++k) expected += a[i * 16 + k] * b[k * 16 + j];
        EXPECT_EQ(d[i * 16 + j], expected) << i << ' ' << j;
      }
    }
  }
}

/// Sums chunks of 256 numbers, the next chunk under way while one is summed. Whole chunks are copied; what
/// lies past the end is zeros.
template <int Stages>
__global__ void sum_chunks(const float* x, float* out, int size) {
  constexpr int chunk = 256;
  float* buffer = dynamic_shared<float>();
  const int at = static_cast<int>(threadIdx.x) * 4;
  const int chunks = (size + chunk - 1) / chunk;
  const auto fetch = [&](int c) {
    const int from = c * chunk + at;
    copy_async<16>(&buffer[c % Stages * chunk + at], &x[from], from < size);
  };
  for (int c = 0; c < Stages - 1; ++c) {
    if (c < chunks) fetch(c);
    copy_async_commit();
  }
  float sum = 0.0f;
  for (int c = 0; c < chunks; ++c) {
    if (c + Stages - 1 < chunks) fetch(c + Stages - 1);
    copy_async_commit();
    copy_async_wait<Stages - 1>();
    __syncthreads();
    for (int i = 0; i < 4; ++i) sum += buffer[c % Stages * chunk + (at + i * 4 + i) % chunk];
    __syncthreads();
  }
  out[threadIdx.x] = sum;
}

TEST(EmulationKernels, DoubleAndTripleBuffering) {
  constexpr int size = 5 * 256 + 120;
  const std::vector<float> x = small_integers(size, 8);
  const DeviceArray<float> in(x);
  DeviceArray<float> out(64);
  std::vector<float> expected(64, 0.0f);
  for (int t = 0; t < 64; ++t) {
    for (int c = 0; c < 6; ++c) {
      for (int i = 0; i < 4; ++i) {
        const int at = c * 256 + (t * 4 + i * 5) % 256;
        if (at < size) expected[t] += x[at];
      }
    }
  }
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    out.poison();
    ASSERT_EQ(start({1, 64, 2 * 1024}, sum_chunks<2>, in.data(), out.data(), size), cudaSuccess);
    EXPECT_EQ(out.read(), expected);
    out.poison();
    ASSERT_EQ(start({1, 64, 3 * 1024}, sum_chunks<3>, in.data(), out.data(), size), cudaSuccess);
    EXPECT_EQ(out.read(), expected);
  }
}

/// The last block to finish sums what all have left.
__global__ void sum_by_last_block(const float* x, float* partial, unsigned* finished, float* out) {
  PHOTON_SHARED(unsigned, before);
  float sum = x[blockIdx.x * 32 + threadIdx.x];
  for (int step = 16; step > 0; step /= 2)
    sum += __shfl_down_sync(full_warp, sum, static_cast<unsigned>(step));
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
    __threadfence();
    before = atomicAdd(finished, 1u);
  }
  __syncthreads();
  if (before + 1 < gridDim.x || threadIdx.x != 0) return;
  float total = 0.0f;
  for (unsigned b = 0; b < gridDim.x; ++b) total += partial[b];
  *out = total;
}

TEST(EmulationKernels, LastBlockFinishes) {
  constexpr unsigned blocks = 9;
  const std::vector<float> x = small_integers(blocks * 32, 9);
  float expected = 0.0f;
  for (const float v : x) expected += v;
  const DeviceArray<float> in(x);
  DeviceArray<float> partial(blocks);
  DeviceArray<unsigned> finished(1);
  DeviceArray<float> out(1);
  for (int seed = 0; seed < seeds; ++seed) {
    set_emulation_seed(test_seed() + seed);
    partial.poison();
    out.poison();
    finished.write({0u});
    ASSERT_EQ(start({blocks, 32}, sum_by_last_block, in.data(), partial.data(), finished.data(), out.data()),
              cudaSuccess);
    EXPECT_EQ(out.read()[0], expected);
  }
}

__global__ void write_places(int* out) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  out[block * threads + thread] = __popc(__ballot_sync(full_warp, threadIdx.z == 1)) +
                                  100 * __syncthreads_count(threadIdx.y == 2) +
                                  10000 * static_cast<int>(block);
}

TEST(EmulationKernels, ThreeDimensions) {
  const dim3 grid(2, 3, 2);
  const dim3 block(4, 4, 4);
  DeviceArray<int> out(12 * 64);
  ASSERT_EQ(start({grid, block}, write_places, out.data()), cudaSuccess);
  const std::vector<int> result = out.read();
  // Threads are numbered x first: the first warp holds z = 0 and 1, the second z = 2 and 3.
  for (int i = 0; i < 12 * 64; ++i) EXPECT_EQ(result[i], (i % 64 < 32 ? 16 : 0) + 1600 + 10000 * (i / 64));
}

/// What each lane would see of an order: numbers handed out as lanes come by.
__global__ void order_of_arrival(int* counter, int* out) {
  out[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(counter, 1);
}

TEST(EmulationKernels, OrdersFollowTheSeed) {
  DeviceArray<int> counter(1);
  DeviceArray<int> out(3 * 64);
  const auto order = [&](uint64_t seed) {
    set_emulation_seed(seed);
    counter.write({0});
    EXPECT_EQ(start({3, 64}, order_of_arrival, counter.data(), out.data()), cudaSuccess);
    return out.read();
  };
  const std::vector<int> first = order(test_seed());
  EXPECT_EQ(order(test_seed()), first);
  EXPECT_NE(order(test_seed() + 1), first);
}

}  // namespace
}  // namespace photon::emulated
