// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/sum.h"

#include <fmt/format.h>

#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

class SumCase : public OpCase {
 public:
  SumCase(int64_t count, uint64_t seed)
      : values_(static_cast<size_t>(count), seed),
        workspace_(static_cast<size_t>(sum_workspace(count))),
        sum_(1) {
    op_ = {.values = values_.data(), .count = count, .workspace = workspace_.data(), .sum = sum_.data()};
  }

  void launch(Stream& stream) override {
    workspace_.poison();
    sum(stream, op_);
  }
  Work work() const override { return sum_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result{"sum", sum_.read(), {}, {}, Precision::float64};
    double naive = 0.0;
    long double exact = 0.0L;
    for (size_t i = 0; i < values_.size(); ++i) {
      naive += number(values_[i]);
      exact += static_cast<long double>(values_[i]);
      result.magnitude += std::abs(number(values_[i]));
    }
    result.naive.push_back(naive);
    result.exact.push_back(static_cast<double>(exact));
    return {result};
  }

 private:
  RepeatedArray<float> values_;
  DeviceArray<double> workspace_;
  DeviceArray<double> sum_;
  Sum op_;
};

}  // namespace

void add_sum_cases(std::vector<NamedCase>& cases) {
  for (const int64_t count : {1, 77, 5000, 65536}) {
    cases.push_back({"sum", fmt::format("count={}", count), count > 10'000,
                     [count](uint64_t seed) { return std::make_unique<SumCase>(count, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
