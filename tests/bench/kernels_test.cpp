// SPDX-License-Identifier: Apache-2.0
// Timing kernels of a back end that takes the time it is told to, and what is kept of it.
#include "bench/kernels.h"

#include <gtest/gtest.h>

#include <limits>

#include "bench/row.h"
#include "core/base/error.h"
#include "tests/bench/fake.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::bench {
namespace {

constexpr Ceilings ceilings{.bandwidth = 1e9, .matrix_rate = 1e9};

/// Every kernel takes a microsecond for each of its rows, more when its operands come from farther away.
class KernelBackend : public FakeBackend {
 public:
  class Timed final : public TimedKernel {
   public:
    Timed(double seconds, int& calls) : seconds_(seconds), calls_(calls) {}
    double seconds(int64_t runs) override {
      ++calls_;
      return seconds_ * static_cast<double>(runs);
    }

   private:
    double seconds_;
    int& calls_;
  };

  std::unique_ptr<TimedKernel> timed_kernel(const Kernel& kernel, DType, int64_t footprint) override {
    ++made;
    return std::make_unique<Timed>(once(kernel, footprint), calls);
  }
  double once(const Kernel& kernel, int64_t footprint) const {
    return scale * 1e-6 * static_cast<double>(kernel.rows) * (footprint > 0 ? 2.0 : 1.0);
  }

  double scale = 1.0;
  int made = 0;
  int calls = 0;
};

class KernelBenchTest : public ::testing::Test {
 protected:
  KernelBench bench(std::string name = "fake", DType dtype = DType::float32) {
    return {backend_, std::move(name), dtype, file_, {}, [this] { return stop_; }};
  }
  KernelBackend backend_;
  bool stop_ = false;
  testing::TempFolder folder_;
  std::filesystem::path file_ = folder_ / "rates.csv";
};

TEST_F(KernelBenchTest, TimesWhatAPredictionLacksOnce) {
  const Case c = small_case(2, 3);
  const Workload w = workload_of(c);
  KernelBench first = bench();
  EXPECT_FALSE(predict(c.spec, w, first.rates()).has_value());
  std::string told;
  ASSERT_TRUE(first.prepare(c.spec, w, ceilings, [&](const std::string& text) { told = text; }));
  const auto places = kernels_of(c.spec, w);
  EXPECT_EQ(backend_.made, std::ssize(places));
  EXPECT_TRUE(testing::holds(told, {std::to_string(places.size()) + " kernels"}));
  double wanted = 0.0;
  const auto add = [&](const KernelVisit& v) { wanted += v.times * backend_.once(v.kernel, v.footprint); };
  visit_kernels(c.spec, w, add, add);
  const auto predicted = predict(c.spec, w, first.rates());
  ASSERT_TRUE(predicted.has_value());
  EXPECT_NEAR(predicted->prefill + predicted->decode, wanted, 1e-9 * wanted);

  ASSERT_TRUE(first.prepare(c.spec, w, ceilings, {}));
  KernelBench again = bench();  // from the file
  ASSERT_TRUE(again.prepare(c.spec, w, ceilings, {}));
  EXPECT_EQ(backend_.made, std::ssize(places));
  KernelBench other_device = bench("other");
  ASSERT_TRUE(other_device.prepare(c.spec, w, ceilings, {}));
  EXPECT_EQ(backend_.made, 2 * std::ssize(places));
  KernelBench other_type = bench("fake", DType::float64);
  EXPECT_FALSE(predict(c.spec, w, other_type.rates()).has_value());
}

TEST_F(KernelBenchTest, RunsAsManyInASampleAsAClockCanTell) {
  KernelBench b = bench();
  const Kernel kernel{.kind = Kernel::Kind::head, .in = 8, .out = 16};
  const auto rate = b.measure(kernel, int64_t{1} << 20, ceilings);
  ASSERT_TRUE(rate.has_value());
  EXPECT_DOUBLE_EQ(rate->seconds, 2e-6);
  EXPECT_GE(rate->samples, KernelRule{}.min_samples);
  EXPECT_EQ(rate->spread, 0.0);
  EXPECT_DOUBLE_EQ(rate->flops, 2.0 * 8 * 16);
  EXPECT_DOUBLE_EQ(rate->bytes, 4.0 * 8 * 16);
  EXPECT_DOUBLE_EQ(rate->floor_seconds, 4.0 * 8 * 16 / 1e9);
  EXPECT_TRUE(rate->cold);
  const auto hot = b.measure(kernel, 0, ceilings);
  ASSERT_TRUE(hot.has_value());
  EXPECT_FALSE(hot->cold);
  EXPECT_DOUBLE_EQ(b.rates().seconds(kernel, int64_t{1} << 20).value(), 2e-6);
}

TEST_F(KernelBenchTest, EndsWhenAskedToAndKeepsWhatIsThere) {
  const Case c = small_case(1);
  KernelBench b = bench();
  ASSERT_TRUE(b.measure(kernels_of(c.spec, workload_of(c)).front().kernel, 0, ceilings).has_value());
  stop_ = true;
  EXPECT_FALSE(b.prepare(c.spec, workload_of(c), ceilings, {}));
  EXPECT_EQ(read_kernel_rates(file_).size(), 1u);
}

TEST_F(KernelBenchTest, RefusesTimesThatAreNone) {
  KernelBench b = bench();
  for (const double scale : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    backend_.scale = scale;
    EXPECT_TRUE(testing::holds(testing::message_of<Error>([&] { b.measure({}, 0, ceilings); }),
                               {"reports a time of"}));
  }
  EXPECT_FALSE(std::filesystem::exists(file_));
}

}  // namespace
}  // namespace photon::bench
