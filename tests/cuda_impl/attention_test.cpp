// SPDX-License-Identifier: Apache-2.0
// What the attention kernels promise beyond their results (which op_test holds against double): the same bits
// whatever stands beside a row, and from a cache as without one.
#include <gtest/gtest.h>

#include <bit>
#include <numeric>

#include "core/base/error.h"
#include "cuda_impl/device/device_array.h"
#include "cuda_impl/kernels/decode_attention.h"
#include "cuda_impl/kernels/local_attention.h"
#include "cuda_impl/kernels/prefill_attention.h"
#include "cuda_impl/model/rotations.h"
#include "tests/support.h"

namespace photon::PHOTON_GPU {
namespace {

using photon::testing::holds;
using photon::testing::message_of;
using photon::testing::test_seed;

std::vector<uint16_t> bits(const std::vector<bf16>& values) {
  std::vector<uint16_t> out;
  for (const bf16 x : values) out.push_back(std::bit_cast<uint16_t>(x));
  return out;
}

template <class T>
std::vector<T> slice(const std::vector<T>& values, size_t begin, size_t count) {
  return {values.begin() + static_cast<std::ptrdiff_t>(begin),
          values.begin() + static_cast<std::ptrdiff_t>(begin + count)};
}

class LocalSteps : public ::testing::TestWithParam<AttentionShape> {};

TEST_P(LocalSteps, EqualOnePassBitForBit) {
  const AttentionShape shape = GetParam();
  constexpr int64_t chunks = 3;
  constexpr int32_t window = 11;
  constexpr int32_t prefix = 3;
  const auto packed = static_cast<size_t>(shape.packed_width());
  const auto width = static_cast<size_t>(shape.width());
  const std::vector<bf16> qkv = random_values<bf16>(chunks * window * packed, test_seed());
  const DeviceArray<float> rotations(rotation_table(window, shape.head_size, 10000.0));
  const DeviceArray<bf16> all(qkv);
  const DeviceArray<bf16> once(chunks * window * width);
  Stream stream;
  local_attention(stream, {.shape = shape,
                           .qkv = all.data(),
                           .rotations = rotations.data(),
                           .out = once.data(),
                           .chunks = chunks,
                           .window = window,
                           .rows = window});
  const std::vector<uint16_t> expected = bits(once.read());

  const auto cache_size = static_cast<size_t>(chunks * window * shape.kv_width());
  DeviceArray<bf16> k(cache_size);
  DeviceArray<bf16> v(cache_size);
  k.poison();
  v.poison();
  for (int32_t length = 0; length < window;) {
    const int32_t rows = length == 0 ? prefix : 1;
    std::vector<bf16> some;
    for (size_t chunk = 0; chunk < chunks; ++chunk) {
      const auto part = slice(qkv, (chunk * window + static_cast<size_t>(length)) * packed,
                              static_cast<size_t>(rows) * packed);
      some.insert(some.end(), part.begin(), part.end());
    }
    const DeviceArray<bf16> step(some);
    const DeviceArray<bf16> out(static_cast<size_t>(chunks * rows) * width);
    local_attention(stream, {.shape = shape,
                             .qkv = step.data(),
                             .rotations = rotations.data(),
                             .k = k.data(),
                             .v = v.data(),
                             .out = out.data(),
                             .chunks = chunks,
                             .window = window,
                             .length = length,
                             .rows = rows});
    const std::vector<uint16_t> made = bits(out.read());
    for (size_t chunk = 0; chunk < chunks; ++chunk) {
      const size_t count = static_cast<size_t>(rows) * width;
      EXPECT_EQ(slice(made, chunk * count, count),
                slice(expected, (chunk * window + static_cast<size_t>(length)) * width, count))
          << "chunk " << chunk << ", rows from " << length;
    }
    length += rows;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, LocalSteps,
                         ::testing::Values(AttentionShape{2, 1, 10}, AttentionShape{4, 2, 52},
                                           AttentionShape{3, 3, 56}, AttentionShape{1, 1, 128},
                                           AttentionShape{1, 1, 200}));

/// A decode step whose rows can be run in any company.
struct Decode {
  AttentionShape shape;
  int32_t units = 1;
  VisibleUnits visible = {};
  int32_t splits = 1;
  int32_t shared_splits = 0;  ///< > 0: rows share `shared_units` units
  bool ring = false;

  static constexpr int32_t rows = 5;
  static constexpr int32_t capacity = 150;
  static constexpr int32_t shared_units = 140;

  /// Results of `which` rows, each (units, width).
  std::vector<std::vector<uint16_t>> run(const std::vector<int32_t>& which, bool in_ring) const {
    const auto row_queries = static_cast<size_t>(units * shape.width());
    const int32_t slots = in_ring ? visible.window + units - 1 : capacity;
    std::vector<bf16> q;
    std::vector<bf16> keys;
    std::vector<bf16> values;
    std::vector<int32_t> start;
    for (const int32_t row : which) {
      const auto of_row = random_values<bf16>(row_queries, test_seed() + static_cast<uint64_t>(row));
      q.insert(q.end(), of_row.begin(), of_row.end());
      start.push_back(position(row));
      const std::vector<bf16> k = cache(row, 100, slots, in_ring);
      const std::vector<bf16> v = cache(row, 200, slots, in_ring);
      keys.insert(keys.end(), k.begin(), k.end());
      values.insert(values.end(), v.begin(), v.end());
    }
    const auto count = static_cast<int64_t>(which.size());
    const DeviceArray<bf16> queries(q);
    const DeviceArray<bf16> k(keys);
    const DeviceArray<bf16> v(values);
    const DeviceArray<int32_t> starts(start);
    const DeviceArray<bf16> out(which.size() * row_queries);
    const auto shared_size = static_cast<size_t>(shared_units * shape.kv_width());
    const DeviceArray<bf16> shared_k(random_values<bf16>(shared_size, test_seed() + 300));
    const DeviceArray<bf16> shared_v(random_values<bf16>(shared_size, test_seed() + 301));
    const DeviceArray<int32_t> shared_first(std::vector<int32_t>{0});
    const DeviceArray<int32_t> shared_count(std::vector<int32_t>{shared_units});
    const DeviceArray<float> workspace(
        static_cast<size_t>(decode_attention_workspace(shape, count, units, splits, shared_splits)));
    DecodeAttention a{.shape = shape,
                      .q = queries.data(),
                      .q_stride = shape.width(),
                      .cache = {k.data(), v.data(), slots, in_ring},
                      .shared = {},
                      .visible = visible,
                      .position = {starts.data(), 1, 0},
                      .out = out.data(),
                      .rows = count,
                      .units = units,
                      .splits = splits,
                      .shared_splits = shared_splits,
                      .workspace = workspace.data()};
    if (shared_splits > 0) {
      a.shared = {{shared_k.data(), shared_v.data(), shared_units, false},
                  shared_first.data(),
                  shared_count.data(),
                  static_cast<int32_t>(count)};
    }
    Stream stream;
    decode_attention(stream, a, {});
    const std::vector<uint16_t> all = bits(out.read());
    std::vector<std::vector<uint16_t>> results;
    for (size_t i = 0; i < which.size(); ++i) results.push_back(slice(all, i * row_queries, row_queries));
    return results;
  }

 private:
  int32_t own_first() const { return shared_splits > 0 ? shared_units : 0; }
  /// Of the first new unit.
  int32_t position(int32_t row) const { return own_first() + 30 * row + 7; }
  /// (kv_heads, slots, head_size): what units hold does not depend on where they lie.
  std::vector<bf16> cache(int32_t row, uint64_t seed, int32_t slots, bool in_ring) const {
    const auto size = static_cast<size_t>(shape.head_size);
    std::vector<bf16> out(static_cast<size_t>(slots * shape.kv_width()), to_bf16(NAN));
    const int32_t end = position(row) + units;
    for (int32_t head = 0; head < shape.kv_heads; ++head) {
      const auto heads =
          random_values<bf16>(static_cast<size_t>(capacity) * size,
                              test_seed() + seed + static_cast<uint64_t>(1000 * row + 10000 * head));
      const int32_t first = in_ring ? std::max(own_first(), visible.first(position(row))) : own_first();
      for (int32_t unit = first; unit < end; ++unit) {
        const auto slot = static_cast<size_t>(in_ring ? unit % slots : unit - own_first());
        std::copy_n(
            heads.begin() + static_cast<std::ptrdiff_t>((unit - own_first()) * shape.head_size), size,
            out.begin() + static_cast<std::ptrdiff_t>((static_cast<size_t>(head * slots) + slot) * size));
      }
    }
    return out;
  }
};

void PrintTo(const Decode& d, std::ostream* out) {
  *out << d.shape.heads << " heads of " << d.shape.head_size << ", " << d.units << " units, " << d.splits
       << " + " << d.shared_splits << " parts, window " << d.visible.window;
}

class DecodeRows : public ::testing::TestWithParam<Decode> {};

TEST_P(DecodeRows, KeepTheirBitsInAnyCompany) {
  std::vector<int32_t> all(Decode::rows);
  std::iota(all.begin(), all.end(), 0);
  const auto together = GetParam().run(all, false);
  const auto some = GetParam().run({4, 1}, false);
  EXPECT_EQ(some[0], together[4]);
  EXPECT_EQ(some[1], together[1]);
  for (const int32_t row : all) {
    EXPECT_EQ(GetParam().run({row}, false)[0], together[static_cast<size_t>(row)]) << "row " << row;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, DecodeRows,
    ::testing::Values(Decode{.shape = {3, 3, 52}}, Decode{.shape = {3, 3, 52}, .splits = 3},
                      Decode{.shape = {2, 1, 64}, .splits = 2}, Decode{.shape = {8, 2, 60}, .splits = 2},
                      Decode{.shape = {2, 2, 52}, .units = 4}, Decode{.shape = {1, 1, 130}, .splits = 2},
                      Decode{.shape = {2, 2, 52}, .visible = {.window = 40}},
                      Decode{.shape = {2, 2, 52}, .splits = 2, .shared_splits = 2},
                      Decode{.shape = {4, 2, 60}, .units = 3, .shared_splits = 1},
                      Decode{.shape = {2, 2, 52}, .visible = {.window = 100}, .shared_splits = 2},
                      Decode{.shape = {2, 1, 136}, .shared_splits = 2}));

class DecodeRings : public ::testing::TestWithParam<Decode> {};

TEST_P(DecodeRings, HoldTheBitsOfALongCache) {
  const std::vector<int32_t> all = {0, 1, 2, 3, 4};
  EXPECT_EQ(GetParam().run(all, true), GetParam().run(all, false));
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, DecodeRings,
    ::testing::Values(Decode{.shape = {2, 2, 52}, .visible = {.window = 40}},
                      Decode{.shape = {2, 1, 60}, .visible = {.window = 1}},
                      Decode{.shape = {2, 2, 52}, .units = 3, .visible = {.window = 70}, .splits = 2},
                      Decode{.shape = {4, 1, 64}, .visible = {.window = 33}, .splits = 2},
                      Decode{.shape = {2, 2, 52}, .visible = {.window = 100}, .shared_splits = 2}));

TEST(Attention, RefusesWhatItCannotDo) {
  Stream stream;
  const DeviceArray<bf16> some(64);
  const DeviceArray<float> table(64);
  LocalAttention local{.shape = {1, 1, 4},
                       .qkv = some.data(),
                       .rotations = table.data(),
                       .out = some.data(),
                       .chunks = 1,
                       .window = 3,
                       .rows = 4};
  EXPECT_TRUE(
      holds(message_of<Error>([&] { local_attention(stream, local); }), {"rows 0 to 3 in a window of 3"}));
  local.rows = 1;
  local.length = 2;
  EXPECT_TRUE(holds(message_of<Error>([&] { local_attention(stream, local); }), {"without a cache"}));
  local.length = 0;
  for (const int32_t size : {0, 7, 258}) {
    local.shape.head_size = size;
    EXPECT_TRUE(
        holds(message_of<Error>([&] { local_attention(stream, local); }), {"even sizes from 2 to 256"}));
  }
  const PrefillAttention prefill{.shape = {1, 1, 258},
                                 .qkv = some.data(),
                                 .out = some.data(),
                                 .sequences = 1,
                                 .units = 1,
                                 .visible = {}};
  EXPECT_THROW(prefill_attention(stream, prefill), Error);
  DecodeAttention decode{.shape = {1, 1, 4}, .q = some.data(), .shared = {}, .visible = {}, .rows = 1};
  decode.shared_splits = 1;
  EXPECT_TRUE(
      holds(message_of<Error>([&] { decode_attention(stream, decode, {}); }), {"without a shared prefix"}));
}

TEST(Attention, WorksAreThoseOfTheCostModel) {
  const AttentionShape shape{6, 3, 52};
  const StackShape stack{.width = shape.width(), .heads = 6, .kv_heads = 3};
  DecodeAttention decode{.shape = shape, .shared = {}, .visible = {}, .rows = 4, .units = 2};
  const CacheTraffic traffic{.pairs = 1000.0,
                             .rows_read = 700.0,
                             .rows_written = 8.0,
                             .shared_pairs = 400.0,
                             .shared_rows_read = 200.0};
  const Work expected = attention_work(stack, 1000.0, 700.0, 0.0, 2);
  for (const int32_t shared_splits : {0, 2}) {
    decode.shared_splits = shared_splits;
    const Work work = decode_attention_work(decode, traffic);
    EXPECT_DOUBLE_EQ(work.flops, expected.flops);
    EXPECT_DOUBLE_EQ(work.kv_read_bytes, expected.kv_read_bytes);
    EXPECT_EQ(work.kv_write_bytes, 0.0);
    EXPECT_EQ(work.weight_bytes, 0.0);
  }
  // 1 + .. + 5 pairs in each of two sequences; with a window of two 1 + 2 · 4.
  PrefillAttention prefill{.shape = shape, .sequences = 2, .units = 5, .visible = {}};
  EXPECT_DOUBLE_EQ(prefill_attention_work(prefill).flops, 4.0 * shape.width() * 30.0);
  prefill.visible.window = 2;
  EXPECT_DOUBLE_EQ(prefill_attention_work(prefill).flops, 4.0 * shape.width() * 18.0);
  const LocalAttention local{.shape = shape, .chunks = 7, .window = 5, .length = 2, .rows = 2};
  EXPECT_DOUBLE_EQ(local_attention_work(local).flops, 4.0 * shape.width() * 7.0 * (3.0 + 4.0));
}

TEST(Attention, PartsKeepTheDeviceBusyAndAreNotTooShort) {
  const AttentionShape shape{32, 32, 52};
  EXPECT_EQ(decode_attention_splits(shape, 2048, 2176, 132), 1);
  EXPECT_EQ(decode_attention_splits(shape, 1, 2176, 132), 34);
  EXPECT_EQ(decode_attention_splits(shape, 8, 2176, 132), 9);
  EXPECT_EQ(decode_attention_splits(shape, 1, 3, 132), 1);
  EXPECT_EQ(decode_attention_workspace(shape, 7, 1, 1, 0), 0);
  EXPECT_EQ(decode_attention_workspace(shape, 7, 2, 2, 1), 7 * 2 * 32 * 3 * 54);
}

}  // namespace
}  // namespace photon::PHOTON_GPU
