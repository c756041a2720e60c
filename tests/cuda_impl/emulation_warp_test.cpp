// SPDX-License-Identifier: Apache-2.0
// Every warp collective against its definition in the CUDA programming guide, for all widths and for masks of
// some lanes; rounding to bf16 against a search among the two neighbours.
#include <bit>
#include <limits>

#include "tests/cuda_impl/emulation_support.h"

namespace photon::emulated {
namespace {

enum class Kind { index, up, down, exclusive_or };

__global__ void shuffle_all(Kind kind, unsigned mask, int argument, int width, const int* in, int* out) {
  if ((mask >> threadIdx.x & 1u) == 0) return;
  const int x = in[threadIdx.x];
  int y = 0;
  if (kind == Kind::index) y = __shfl_sync(mask, x, argument, width);
  if (kind == Kind::up) y = __shfl_up_sync(mask, x, static_cast<unsigned>(argument), width);
  if (kind == Kind::down) y = __shfl_down_sync(mask, x, static_cast<unsigned>(argument), width);
  if (kind == Kind::exclusive_or) y = __shfl_xor_sync(mask, x, argument, width);
  out[threadIdx.x] = y;
}

/// The lane that is read, by the guide's words for each segment of `width` lanes.
int source_lane(Kind kind, int lane, int argument, int width) {
  const int first = lane / width * width;
  switch (kind) {
    case Kind::index:
      return first + ((argument % width) + width) % width;
    case Kind::up:
      return lane - argument < first ? lane : lane - argument;
    case Kind::down:
      return lane + argument >= first + width ? lane : lane + argument;
    case Kind::exclusive_or:
      // Lanes of later segments cannot be read, those of earlier ones can.
      return (lane ^ argument) >= first + width ? lane : lane ^ argument;
  }
  return -1;
}

TEST(EmulationWarp, ShufflesOfEveryWidth) {
  std::vector<int> values(32);
  for (int i = 0; i < 32; ++i) values[i] = 1000 + i;
  const DeviceArray<int> in(values);
  DeviceArray<int> out(32);
  set_emulation_seed(test_seed());
  for (const Kind kind : {Kind::index, Kind::up, Kind::down, Kind::exclusive_or}) {
    for (const unsigned mask : {full_warp, 0x0000ffffu, 0x12345678u}) {
      for (int width = 1; width <= 32; width *= 2) {
        for (int argument = 0; argument < 32; ++argument) {
          ASSERT_EQ(start({1, 32}, shuffle_all, kind, mask, argument, width, in.data(), out.data()),
                    cudaSuccess);
          const std::vector<int> result = out.read();
          for (int lane = 0; lane < 32; ++lane) {
            if ((mask >> lane & 1u) == 0) continue;
            const int source = source_lane(kind, lane, argument, width);
            // What no lane of the mask brought is undefined, in emulation all ones.
            const int expected = mask >> source & 1u ? 1000 + source : -1;
            ASSERT_EQ(result[lane], expected)
                << "kind " << static_cast<int>(kind) << " mask " << mask << " width " << width << " argument "
                << argument << " lane " << lane;
          }
        }
      }
    }
  }
}

__global__ void shuffle_wide(const double* in, double* out) {
  out[threadIdx.x] = __shfl_xor_sync(full_warp, in[threadIdx.x], 5);
}

TEST(EmulationWarp, EightByteValues) {
  std::vector<double> values(32);
  for (int i = 0; i < 32; ++i) values[i] = 1.0 / (i + 3);
  const DeviceArray<double> in(values);
  const DeviceArray<double> out(32);
  ASSERT_EQ(start({1, 32}, shuffle_wide, in.data(), out.data()), cudaSuccess);
  const std::vector<double> result = out.read();
  for (int i = 0; i < 32; ++i) EXPECT_EQ(result[i], values[i ^ 5]);
}

struct Votes {
  unsigned ballot;
  int any, all, add, least, most;
  unsigned add_unsigned;
};

__global__ void vote_all(unsigned mask, const int* in, Votes* out) {
  if ((mask >> threadIdx.x & 1u) == 0) return;
  const int x = in[threadIdx.x];
  Votes votes{};
  votes.ballot = __ballot_sync(mask, x > 0);
  votes.any = __any_sync(mask, x > 0);
  votes.all = __all_sync(mask, x > 0);
  votes.add = __reduce_add_sync(mask, x);
  votes.least = __reduce_min_sync(mask, x);
  votes.most = __reduce_max_sync(mask, x);
  votes.add_unsigned = __reduce_add_sync(mask, static_cast<unsigned>(x));
  out[threadIdx.x] = votes;
}

TEST(EmulationWarp, VotesAndReductions) {
  std::mt19937_64 engine(test_seed());
  const DeviceArray<Votes> out(32);
  DeviceArray<int> in(32);
  for (int round = 0; round < 200; ++round) {
    set_emulation_seed(engine());
    std::vector<int> values(32);
    const int low = round % 3 == 0 ? 1 : round % 3 == 1 ? -5 : 0;
    const int range = round % 3 == 2 ? 1 : 6;
    for (int& x : values) x = low + static_cast<int>(engine() % static_cast<unsigned>(range));
    unsigned mask = round % 2 == 0 ? full_warp : static_cast<unsigned>(engine());
    if (mask == 0) mask = 1;
    in.write(values);
    ASSERT_EQ(start({1, 32}, vote_all, mask, in.data(), out.data()), cudaSuccess);
    Votes expected{0, 0, 1, 0, INT_MAX, INT_MIN, 0};
    for (int i = 0; i < 32; ++i) {
      if ((mask >> i & 1u) == 0) continue;
      if (values[i] > 0) expected.ballot |= 1u << i;
      expected.any |= values[i] > 0;
      expected.all &= values[i] > 0;
      expected.add += values[i];
      expected.least = std::min(expected.least, values[i]);
      expected.most = std::max(expected.most, values[i]);
    }
    const std::vector<Votes> result = out.read();
    for (int i = 0; i < 32; ++i) {
      if ((mask >> i & 1u) == 0) continue;
      EXPECT_EQ(result[i].ballot, expected.ballot);
      EXPECT_EQ(result[i].any, expected.any);
      EXPECT_EQ(result[i].all, expected.all);
      EXPECT_EQ(result[i].add, expected.add);
      EXPECT_EQ(result[i].least, expected.least);
      EXPECT_EQ(result[i].most, expected.most);
      EXPECT_EQ(result[i].add_unsigned, static_cast<unsigned>(expected.add));
    }
  }
}

__global__ void block_votes(int threshold, int* out) {
  const int holds = static_cast<int>(threadIdx.x) < threshold;
  out[threadIdx.x] =
      __syncthreads_count(holds) + 1000 * __syncthreads_or(holds) + 2000 * __syncthreads_and(holds);
}

TEST(EmulationWarp, BlockVotes) {
  const DeviceArray<int> out(70);
  for (const int threshold : {0, 1, 33, 69, 70}) {
    ASSERT_EQ(start({1, 70}, block_votes, threshold, out.data()), cudaSuccess);
    const int expected = threshold + (threshold > 0 ? 1000 : 0) + (threshold == 70 ? 2000 : 0);
    EXPECT_EQ(out.read(), std::vector<int>(70, expected));
  }
}

__global__ void odd_width() {
  __shfl_xor_sync(full_warp, 1, 1, 12);
}

TEST(EmulationWarp, WidthsArePowersOfTwo) {
  EXPECT_TRUE(holds(complaint([] { start({1, 32}, odd_width); }), {"power of two", "12"}));
}

/// Halves of a warp that go different ways meet in collectives of their own.
__global__ void halves(int* out) {
  const unsigned mask = threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u;
  int x = static_cast<int>(threadIdx.x);
  if (threadIdx.x < 16) {
    for (int i = 0; i < 5; ++i) x = __shfl_xor_sync(mask, x, 1) + 1;
  } else {
    x = __reduce_add_sync(mask, x);
  }
  __syncwarp();
  out[threadIdx.x] = x;
}

TEST(EmulationWarp, HalvesOfAWarpDiverge) {
  const DeviceArray<int> out(32);
  for (int seed = 0; seed < 50; ++seed) {
    set_emulation_seed(test_seed() + seed);
    ASSERT_EQ(start({1, 32}, halves, out.data()), cudaSuccess);
    const std::vector<int> result = out.read();
    for (int i = 0; i < 32; ++i) EXPECT_EQ(result[i], i < 16 ? (i ^ 1) + 5 : (16 + 31) * 8);
  }
}

TEST(EmulationNumbers, RoundingToBf16IsToNearestEven) {
  std::mt19937 engine(static_cast<unsigned>(test_seed()));
  for (int i = 0; i < 300'000; ++i) {
    const auto bits = static_cast<uint32_t>(engine());
    const auto x = std::bit_cast<float>(bits);
    const bf16 rounded = to_bf16(x);
    if (std::isnan(x)) {
      EXPECT_EQ(rounded.bits, 0x7fff);
      continue;
    }
    // The two neighbours in bf16, as doubles so that what lies past the largest one is finite.
    const auto value = [](uint32_t high) {
      const bool past_the_largest = (high & 0x7fff) == 0x7f80;
      const double magnitude =
          past_the_largest ? 0x1p128 : static_cast<double>(std::bit_cast<float>((high & 0x7fff) << 16));
      return high & 0x8000 ? -magnitude : magnitude;
    };
    const uint32_t below = bits >> 16;
    if (std::isinf(x)) {
      EXPECT_EQ(rounded.bits, below);
      continue;
    }
    const double to_below = std::abs(static_cast<double>(x) - value(below));
    const double to_above = std::abs(value(below + 1) - static_cast<double>(x));
    const bool up = to_above < to_below || (to_above == to_below && (below & 1));
    EXPECT_EQ(rounded.bits, below + (up ? 1 : 0)) << std::hexfloat << x;
    EXPECT_EQ(to_bf16(to_float(rounded)).bits, rounded.bits);
  }
  static_assert(std::is_trivially_default_constructible_v<bf16> && sizeof(bf16) == 2);
}

TEST(EmulationNumbers, IntegersFromFloats) {
  EXPECT_EQ(__float2int_rn(2.5f), 2);
  EXPECT_EQ(__float2int_rn(-3.5f), -4);
  EXPECT_EQ(__float2int_rn(3e9f), INT_MAX);
  EXPECT_EQ(__float2int_rn(-3e9f), INT_MIN);
  EXPECT_EQ(__float2int_rn(NAN), 0);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(__clz(0), 32);
  EXPECT_EQ(__ffs(0), 0);
  EXPECT_EQ(__ffs(8), 4);
  EXPECT_EQ(__umulhi(0x80000000u, 6u), 3u);
}

TEST(EmulationNumbers, FastPowersOfTwo) {
  EXPECT_EQ(fast_exp2(-INFINITY), 0.0f);
  EXPECT_EQ(fast_exp2(-130.0f), 0.0f);
  EXPECT_EQ(fast_exp2(10.0f), 1024.0f);
  EXPECT_TRUE(std::isnan(fast_exp2(NAN)));
}

}  // namespace
}  // namespace photon::emulated
