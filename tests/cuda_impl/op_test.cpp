// Every op on every small case of cuda_impl/cases: against double by the tolerance of design, section 7, the
// same bits whatever order threads run in, and accounts that add up.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <set>
#include <utility>

#include "cuda_impl/cases/op_case.h"
#include "cuda_impl/runtime/generator.h"
#include "tests/reference/support.h"

namespace photon::PHOTON_GPU {
namespace {

using photon::testing::test_seed;

std::vector<NamedCase> small_cases() {
  std::vector<NamedCase> cases = op_cases();
  std::erase_if(cases, [](const NamedCase& c) { return c.large; });
  return cases;
}

std::string test_name(const NamedCase& c) {
  std::string name = c.op + "_" + c.parameters;
  for (char& ch : name) {
    if (std::isalnum(static_cast<unsigned char>(ch)) == 0) ch = '_';
  }
  return name;
}

/// Half the distance between numbers of the result's type around x.
double half_ulp(Precision precision, double x) {
  if (precision == Precision::copied || x == 0.0) return 0.0;
  const int bits = precision == Precision::bf16 ? 8 : 24;
  return std::ldexp(1.0, std::ilogb(x) - bits);
}

struct Error {
  double largest = 0.0;
  double squares = 0.0;

  void add(double error) {
    largest = std::max(largest, std::abs(error));
    squares += error * error;
  }
};

void expect_accurate(const OpOutput& o) {
  const size_t size = o.exact.size();
  ASSERT_EQ(o.fast.size(), size) << o.name;
  ASSERT_EQ(o.naive.size(), size) << o.name;
  Error fast;
  Error naive;
  Error rounding;  // what the type costs even the best of kernels
  size_t worst = 0;
  double most = o.magnitude;
  for (size_t i = 0; i < size; ++i) {
    ASSERT_TRUE(std::isfinite(o.fast[i])) << o.name << ", element " << i;
    ASSERT_TRUE(std::isfinite(o.naive[i]) && std::isfinite(o.exact[i])) << o.name << ", element " << i;
    const double error = o.fast[i] - o.exact[i];
    if (std::abs(error) > fast.largest) worst = i;
    fast.add(error);
    naive.add(o.naive[i] - o.exact[i]);
    rounding.add(half_ulp(o.precision, o.magnitude > 0.0 ? o.magnitude : o.exact[i]));
    most = std::max(most, std::abs(o.exact[i]));
  }
  if (size == 0) return;
  EXPECT_LE(fast.largest, 2.0 * std::max(naive.largest, half_ulp(o.precision, most)))
      << o.name << ", element " << worst << " of " << size << ": " << o.fast[worst] << " for "
      << o.exact[worst];
  const auto root_mean = [&](const Error& e) { return std::sqrt(e.squares / static_cast<double>(size)); };
  EXPECT_LE(root_mean(fast), 2.0 * std::max(root_mean(naive), root_mean(rounding)))
      << o.name << ", over " << size << " elements";
}

void expect_same_bits(const std::vector<OpOutput>& a, const std::vector<OpOutput>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].fast.size(), b[i].fast.size()) << a[i].name;
    for (size_t e = 0; e < a[i].fast.size(); ++e) {
      ASSERT_EQ(std::bit_cast<uint64_t>(a[i].fast[e]), std::bit_cast<uint64_t>(b[i].fast[e]))
          << a[i].name << ", element " << e;
    }
  }
}

/// The order of threads from here on; a GPU has its own.
void shuffle_threads([[maybe_unused]] uint64_t seed) {
#ifndef PHOTON_CUDA
  set_emulation_seed(seed);
#endif
}

class OpTest : public ::testing::TestWithParam<NamedCase> {};
INSTANTIATE_TEST_SUITE_P(Cases, OpTest, ::testing::ValuesIn(small_cases()),
                         [](const auto& test) { return test_name(test.param); });

TEST_P(OpTest, IsAsExactAsItsTypes) {
  Stream stream;
  const std::unique_ptr<OpCase> op = GetParam().make(test_seed());
  std::vector<OpOutput> first;
  for (const uint64_t seed : {test_seed(), test_seed() + 1}) {
    shuffle_threads(seed);
    op->launch(stream);
    stream.synchronize();
    const std::vector<OpOutput> outputs = op->outputs();
    if (first.empty()) {
      first = outputs;
      bool anything = false;
      for (const OpOutput& o : outputs) {
        expect_accurate(o);
        anything = anything || !o.exact.empty();
      }
      EXPECT_TRUE(anything);
    } else {
      expect_same_bits(outputs, first);
    }
  }
}

TEST_P(OpTest, LaunchesMoveWhatTheCaseSays) {
  Stream stream;
  const std::unique_ptr<OpCase> op = GetParam().make(test_seed());
  std::vector<LaunchRecord> records;
  stream.record(&records);
  op->launch(stream);
  stream.synchronize();
  Work launched;
  for (const LaunchRecord& r : records) launched += r.work;
  const Work work = op->work();
  EXPECT_EQ(launched.weight_bytes, work.weight_bytes);
  EXPECT_EQ(launched.kv_read_bytes, work.kv_read_bytes);
  EXPECT_EQ(launched.kv_write_bytes, work.kv_write_bytes);
  EXPECT_EQ(launched.other_bytes, work.other_bytes);
  EXPECT_EQ(launched.flops, work.flops);
  for (const double part :
       {work.weight_bytes, work.kv_read_bytes, work.kv_write_bytes, work.other_bytes, work.flops}) {
    EXPECT_GE(part, 0.0);
  }
  EXPECT_GT(work.floor_bytes() + work.other_bytes, 0.0);
}

}  // namespace
}  // namespace photon::PHOTON_GPU
