// SPDX-License-Identifier: Apache-2.0
// The backward passes of attention against central differences, in double, of what they are the backward pass
// of: the formulas that the cases hold the kernels to, and the kernels as a whole at tiny shapes. And that a
// window taken back part by part gives what one pass gives.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/base/error.h"
#include "cuda_impl/device/device_array.h"
#include "cuda_impl/kernels/cache_view.h"
#include "cuda_impl/kernels/local_attention.h"
#include "cuda_impl/kernels/local_attention_backward.h"
#include "cuda_impl/kernels/prefill_attention.h"
#include "cuda_impl/kernels/prefill_attention_backward.h"
#include "cuda_impl/kernels/rotate_back.h"
#include "cuda_impl/model/rotations.h"
#include "tests/cuda_impl/cases/attention_backward_host.h"
#include "tests/cuda_impl/cases/attention_host.h"
#include "tests/support.h"

namespace photon::PHOTON_GPU {
namespace {

using photon::testing::holds;
using photon::testing::message_of;
using photon::testing::test_seed;

using Loss = std::function<double(const std::vector<double>&)>;

std::vector<double> differences(const Loss& loss, std::vector<double> x) {
  constexpr double step = 1e-5;
  std::vector<double> out;
  for (double& at : x) {
    const double here = at;
    at = here + step;
    const double above = loss(x);
    at = here - step;
    const double below = loss(x);
    at = here;
    out.push_back((above - below) / (2 * step));
  }
  return out;
}

/// Largest deviation, as a part of the largest of `expected`.
double deviation(const std::vector<double>& x, const std::vector<double>& expected) {
  EXPECT_EQ(x.size(), expected.size());
  double most = 0.0;
  double off = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_TRUE(std::isfinite(x[i])) << "element " << i;
    most = std::max(most, std::abs(expected[i]));
    off = std::max(off, std::abs(x[i] - expected[i]));
  }
  return off / most;
}

std::vector<double> doubles(size_t size, uint64_t stream) {
  return random_values<double>(size, test_seed() + stream);
}

TEST(AttentionFormulas, AreDerivatives) {
  constexpr size_t size = 6;
  constexpr size_t rows = 5;
  const std::vector<double> query = doubles(size, 0);
  const std::vector<double> keys = doubles(rows * size, 1);
  const std::vector<double> values = doubles(rows * size, 2);
  const std::vector<double> d_out = doubles(size, 3);
  const auto loss = [&](const std::vector<double>& q, const std::vector<double>& k,
                        const std::vector<double>& v) {
    const std::vector<double> out = attend<double>(q, k, v);
    return inner<double>(d_out, out.data());
  };
  const auto of_query = differences([&](const auto& x) { return loss(x, keys, values); }, query);
  const auto of_keys = differences([&](const auto& x) { return loss(query, x, values); }, keys);
  const auto of_values = differences([&](const auto& x) { return loss(query, keys, x); }, values);
  const auto expect_equal = [&](const std::vector<double>& d_query, const std::vector<double>& d_keys,
                                const std::vector<double>& d_values) {
    EXPECT_LT(deviation(d_query, of_query), 1e-7);
    EXPECT_LT(deviation(d_keys, of_keys), 1e-7);
    EXPECT_LT(deviation(d_values, of_values), 1e-7);
  };
  {
    std::vector<double> d_query(size);
    std::vector<double> d_keys(rows * size);
    std::vector<double> d_values(rows * size);
    add_attention_gradients<double>(query, keys, values, d_out, d_query.data(), d_keys.data(),
                                    d_values.data());
    expect_equal(d_query, d_keys, d_values);
  }
  {
    // From what the forward pass keeps.
    std::vector<double> weights = attention_scores<double>(query, keys);
    const double lse = log_sum<double>(weights);
    for (double& w : weights) w = std::exp(w - lse);
    const std::vector<double> out = attend<double>(query, keys, values);
    std::vector<double> d_query(size);
    std::vector<double> d_keys(rows * size);
    std::vector<double> d_values(rows * size);
    add_attention_gradients<double>(query, keys, values, d_out, weights, inner<double>(d_out, out.data()),
                                    d_query.data(), d_keys.data(), d_values.data());
    expect_equal(d_query, d_keys, d_values);
  }
}

TEST(AttentionFormulas, RotationsGoBack) {
  constexpr size_t size = 10;
  const std::vector<float> table = rotation_table(4, size, 10000.0);
  const float* const angles = table.data() + 3 * size;
  const std::vector<double> d_turned = doubles(size, 0);
  const Loss loss = [&](const std::vector<double>& x) {
    std::vector<double> turned = x;
    turn_head(turned.data(), size, angles);
    return inner<double>(d_turned, turned.data());
  };
  std::vector<double> back = d_turned;
  turn_head(back.data(), size, angles, true);
  EXPECT_LT(deviation(back, differences(loss, doubles(size, 1))), 1e-7);
}

/// Attention of sequences over themselves, from the packed rows to an inner product with the results.
struct Sequences {
  AttentionShape shape;
  size_t sequences = 1;
  int32_t units = 1;
  VisibleUnits visible = {};
  std::vector<float> rotations = {};  ///< empty: rows are rotated already

  size_t rows() const { return sequences * static_cast<size_t>(units); }
  size_t packed() const { return static_cast<size_t>(shape.packed_width()); }
  size_t width() const { return static_cast<size_t>(shape.width()); }

  /// Heads' rows at column `begin` of units [first, last] of a sequence.
  std::vector<double> heads(const std::vector<double>& qkv, size_t sequence, int32_t first, int32_t last,
                            int32_t begin, bool turned) const {
    const auto size = static_cast<size_t>(shape.head_size);
    std::vector<double> out;
    for (int32_t unit = first; unit <= last; ++unit) {
      const size_t row = sequence * static_cast<size_t>(units) + static_cast<size_t>(unit);
      const double* const head = qkv.data() + row * packed() + begin;
      out.insert(out.end(), head, head + size);
      if (turned && !rotations.empty()) {
        turn_head(&*(out.end() - shape.head_size), size, rotations.data() + static_cast<size_t>(unit) * size);
      }
    }
    return out;
  }

  double loss(const std::vector<double>& qkv, const std::vector<double>& d_out) const {
    double sum = 0.0;
    for (size_t s = 0; s < sequences; ++s) {
      for (int32_t head = 0; head < shape.heads; ++head) {
        const int32_t k_begin = shape.width() + head / (shape.heads / shape.kv_heads) * shape.head_size;
        for (int32_t unit = 0; unit < units; ++unit) {
          const int32_t first = visible.first(unit);
          const auto q = heads(qkv, s, unit, unit, head * shape.head_size, true);
          const auto k = heads(qkv, s, first, unit, k_begin, true);
          const auto v = heads(qkv, s, first, unit, k_begin + shape.kv_width(), false);
          const std::vector<double> out = attend<double>(q, k, v);
          const size_t row = s * static_cast<size_t>(units) + static_cast<size_t>(unit);
          sum +=
              inner<double>(out, d_out.data() + row * width() + static_cast<size_t>(head * shape.head_size));
        }
      }
    }
    return sum;
  }

  std::vector<double> gradient(const std::vector<double>& qkv, const std::vector<double>& d_out) const {
    return differences([&](const std::vector<double>& x) { return loss(x, d_out); }, qkv);
  }
};

/// Results and what is computed from them on the way are rounded to eight bits.
constexpr double rounding = 0.02;

TEST(LocalAttentionBackward, IsTheDerivative) {
  for (const AttentionShape shape : {AttentionShape{2, 2, 4}, AttentionShape{4, 2, 6}}) {
    Sequences local{.shape = shape, .sequences = 2, .units = 4};
    local.rotations = rotation_table(local.units, shape.head_size, 10000.0);
    const auto qkv = random_values<bf16>(local.rows() * local.packed(), test_seed());
    const auto d_out = random_values<bf16>(local.rows() * local.width(), test_seed() + 1);
    const DeviceArray<float> rotations(local.rotations);
    const DeviceArray<bf16> device_qkv(qkv);
    const DeviceArray<bf16> device_d_out(d_out);
    const DeviceArray<bf16> d_qkv(qkv.size());
    Stream stream;
    local_attention_backward(stream, {.shape = shape,
                                      .qkv = device_qkv.data(),
                                      .rotations = rotations.data(),
                                      .d_out = device_d_out.data(),
                                      .d_qkv = d_qkv.data(),
                                      .chunks = static_cast<int64_t>(local.sequences),
                                      .window = local.units,
                                      .rows = local.units});
    stream.synchronize();
    EXPECT_LT(deviation(to_doubles(d_qkv.read()), local.gradient(to_doubles(qkv), to_doubles(d_out))),
              rounding);
  }
}

class PrefillBackward : public ::testing::TestWithParam<Sequences> {};

TEST_P(PrefillBackward, IsTheDerivative) {
  Sequences whole = GetParam();
  const AttentionShape shape = whole.shape;
  const auto sequences = static_cast<int64_t>(whole.sequences);
  // Attention of the rotated rows, then of those before rotation: queries and keys, rounded, are both.
  const auto qkv = random_values<bf16>(whole.rows() * whole.packed(), test_seed());
  const auto d_out = random_values<bf16>(whole.rows() * whole.width(), test_seed() + 1);
  const DeviceArray<bf16> device_qkv(qkv);
  const DeviceArray<bf16> device_d_out(d_out);
  const DeviceArray<bf16> out(d_out.size());
  const DeviceArray<float> lse(whole.rows() * static_cast<size_t>(shape.heads));
  const DeviceArray<bf16> d_qkv(qkv.size());
  const DeviceArray<float> workspace(
      static_cast<size_t>(prefill_attention_backward_workspace(shape, sequences, whole.units)));
  Stream stream;
  prefill_attention(
      stream, {shape, device_qkv.data(), out.data(), sequences, whole.units, whole.visible, lse.data()});
  prefill_attention_backward(stream, {.shape = shape,
                                      .qkv = device_qkv.data(),
                                      .out = out.data(),
                                      .lse = lse.data(),
                                      .d_out = device_d_out.data(),
                                      .d_qkv = d_qkv.data(),
                                      .workspace = workspace.data(),
                                      .sequences = sequences,
                                      .units = whole.units,
                                      .visible = whole.visible});
  stream.synchronize();
  EXPECT_LT(deviation(to_doubles(d_qkv.read()), whole.gradient(to_doubles(qkv), to_doubles(d_out))),
            rounding);

  const std::vector<float> table = rotation_table(whole.units, shape.head_size, 10000.0);
  const DeviceArray<float> rotations(table);
  rotate_back(stream, {shape, d_qkv.data(), rotations.data(), sequences, whole.units});
  stream.synchronize();
  // Rows that are `qkv` when they are rotated.
  std::vector<double> before = to_doubles(qkv);
  const auto size = static_cast<size_t>(shape.head_size);
  for (size_t row = 0; row < whole.rows(); ++row) {
    const float* const angles = table.data() + row % static_cast<size_t>(whole.units) * size;
    for (size_t head = 0; head < static_cast<size_t>(shape.heads + shape.kv_heads); ++head) {
      turn_head(before.data() + row * whole.packed() + head * size, size, angles, true);
    }
  }
  whole.rotations = table;
  EXPECT_LT(deviation(to_doubles(d_qkv.read()), whole.gradient(before, to_doubles(d_out))), rounding);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, PrefillBackward,
    ::testing::Values(Sequences{.shape = {2, 2, 4}, .sequences = 2, .units = 7},
                      Sequences{.shape = {4, 2, 6}, .units = 6, .visible = {.window = 3}},
                      Sequences{.shape = {2, 1, 4}, .units = 8, .visible = {.window = 0, .block = 3}},
                      Sequences{.shape = {1, 1, 132}, .units = 4, .visible = {.window = 2}}));

struct Window {
  AttentionShape shape;
  std::vector<int32_t> parts;  ///< rows of each
};

class LocalParts : public ::testing::TestWithParam<Window> {};

/// Rows [first, first + count) of each of `chunks` windows.
std::vector<bf16> rows_of_chunks(const std::vector<bf16>& values, size_t chunks, size_t width, int32_t first,
                                 int32_t count) {
  const size_t window = values.size() / chunks;
  std::vector<bf16> out;
  for (size_t chunk = 0; chunk < chunks; ++chunk) {
    const auto begin =
        values.begin() + static_cast<std::ptrdiff_t>(chunk * window + static_cast<size_t>(first) * width);
    out.insert(out.end(), begin, begin + static_cast<std::ptrdiff_t>(static_cast<size_t>(count) * width));
  }
  return out;
}

TEST_P(LocalParts, GiveWhatOnePassGives) {
  const AttentionShape shape = GetParam().shape;
  constexpr size_t chunks = 3;
  int32_t window = 0;
  for (const int32_t rows : GetParam().parts) window += rows;
  const auto packed = static_cast<size_t>(shape.packed_width());
  const auto width = static_cast<size_t>(shape.width());
  const size_t rows = chunks * static_cast<size_t>(window);
  const auto qkv = random_values<bf16>(rows * packed, test_seed());
  const auto d_out = random_values<bf16>(rows * width, test_seed() + 1);
  const DeviceArray<float> rotations(rotation_table(window, shape.head_size, 10000.0));
  Stream stream;

  const DeviceArray<bf16> whole_qkv(qkv);
  const DeviceArray<bf16> whole_d_out(d_out);
  const DeviceArray<bf16> whole(qkv.size());
  LocalAttentionBackward op{.shape = shape,
                            .qkv = whole_qkv.data(),
                            .rotations = rotations.data(),
                            .d_out = whole_d_out.data(),
                            .d_qkv = whole.data(),
                            .chunks = chunks,
                            .window = window,
                            .rows = window};
  local_attention_backward(stream, op);
  stream.synchronize();
  const std::vector<bf16> expected = whole.read();

  const size_t cache_size = rows * static_cast<size_t>(shape.kv_width());
  const DeviceArray<bf16> k(cache_size);
  const DeviceArray<bf16> v(cache_size);
  const DeviceArray<bf16> out(rows * width);
  local_attention(stream, {.shape = shape,
                           .qkv = whole_qkv.data(),
                           .rotations = rotations.data(),
                           .k = k.data(),
                           .v = v.data(),
                           .out = out.data(),
                           .chunks = chunks,
                           .window = window,
                           .rows = window});
  const DeviceArray<float> d_k(std::vector<float>(cache_size, 0.0f));
  const DeviceArray<float> d_v(std::vector<float>(cache_size, 0.0f));
  int32_t end = window;
  for (size_t part = GetParam().parts.size(); part-- > 0; end -= op.rows) {
    op.rows = GetParam().parts[part];
    op.length = end - op.rows;
    const DeviceArray<bf16> part_qkv(rows_of_chunks(qkv, chunks, packed, op.length, op.rows));
    const DeviceArray<bf16> part_d_out(rows_of_chunks(d_out, chunks, width, op.length, op.rows));
    const DeviceArray<bf16> d_qkv(part_qkv.size());
    op.qkv = part_qkv.data();
    op.d_out = part_d_out.data();
    op.d_qkv = d_qkv.data();
    op.k = k.data();
    op.v = v.data();
    op.d_k = d_k.data();
    op.d_v = d_v.data();
    local_attention_backward(stream, op);
    stream.synchronize();
    const auto these = to_doubles(rows_of_chunks(expected, chunks, packed, op.length, op.rows));
    // One bit of eight where sums that were taken in another order are rounded to either side.
    EXPECT_LT(deviation(to_doubles(d_qkv.read()), these), 0.008) << "rows from " << op.length;
  }
}

INSTANTIATE_TEST_SUITE_P(Windows, LocalParts,
                         ::testing::Values(Window{{3, 3, 52}, {2, 1, 1, 1}}, Window{{4, 2, 10}, {1, 2, 4}},
                                           Window{{2, 1, 64}, {4, 1, 5, 3}}, Window{{1, 1, 130}, {3, 2}}));

TEST(LocalAttentionBackward, RefusesWhatItCannotDo) {
  Stream stream;
  const DeviceArray<bf16> some(64);
  const DeviceArray<float> floats(64);
  LocalAttentionBackward op{.shape = {1, 1, 4},
                            .qkv = some.data(),
                            .rotations = floats.data(),
                            .d_out = some.data(),
                            .d_qkv = some.data(),
                            .chunks = 1,
                            .window = 3,
                            .rows = 4};
  const auto complaint = [&] { return message_of<Error>([&] { local_attention_backward(stream, op); }); };
  EXPECT_TRUE(holds(complaint(), {"rows 0 to 3 in a window of 3"}));
  op.rows = 2;
  op.length = 1;
  EXPECT_TRUE(holds(complaint(), {"needs its cache and the sums"}));
  op.k = op.v = some.data();
  EXPECT_TRUE(holds(complaint(), {"needs its cache and the sums"}));
  op.k = op.v = nullptr;
  op.length = 0;
  op.rows = op.window = 65;
  EXPECT_TRUE(holds(complaint(), {"up to 64 rows"}));
  op.rows = op.window = 1;
  for (const int32_t size : {0, 7, 258}) {
    op.shape.head_size = size;
    EXPECT_TRUE(holds(complaint(), {"even sizes from 2 to 256"}));
  }
}

TEST(PrefillAttentionBackward, RefusesWhatItCannotDo) {
  Stream stream;
  PrefillAttentionBackward op{.shape = {1, 1, 258}, .sequences = 1, .units = 1, .visible = {}};
  const auto complaint = [&] { return message_of<Error>([&] { prefill_attention_backward(stream, op); }); };
  EXPECT_TRUE(holds(complaint(), {"even sizes from 2 to 256"}));
  op.shape = {1000, 1000, 64};
  op.sequences = 1000;
  op.units = 1000;
  EXPECT_TRUE(holds(complaint(), {"1000 sequences of 1000 units", "is to be less than"}));
}

TEST(AttentionBackward, WorkIsTwiceThatOfTheForwardPass) {
  const AttentionShape shape{6, 3, 52};
  const LocalAttention local{.shape = shape, .chunks = 7, .window = 5, .length = 2, .rows = 2};
  const LocalAttentionBackward local_back{.shape = shape, .chunks = 7, .window = 5, .length = 2, .rows = 2};
  EXPECT_DOUBLE_EQ(local_attention_backward_work(local_back).flops, 2.0 * local_attention_work(local).flops);
  for (const VisibleUnits visible : {VisibleUnits{}, VisibleUnits{.window = 3}}) {
    const PrefillAttention whole{.shape = shape, .sequences = 2, .units = 9, .visible = visible};
    const PrefillAttentionBackward back{.shape = shape, .sequences = 2, .units = 9, .visible = visible};
    EXPECT_DOUBLE_EQ(prefill_attention_backward_work(back).flops, 2.0 * prefill_attention_work(whole).flops);
  }
}

}  // namespace
}  // namespace photon::PHOTON_GPU
