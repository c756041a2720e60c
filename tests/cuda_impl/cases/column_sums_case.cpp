// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/column_sums.h"

#include <fmt/format.h>

#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t rows = 1;
  int32_t width = 1;
  int64_t gap = 0;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("rows={} width={} gap={}", p.rows, p.width, p.gap);
}

class ColumnSumsCase : public OpCase {
 public:
  ColumnSumsCase(const Parameters& p, uint64_t seed)
      : p_(p),
        d_(static_cast<size_t>(p.rows * (p.width + p.gap)), seed),
        sums_(static_cast<size_t>(p.width), seed + 1),
        workspace_(static_cast<size_t>(column_sums_workspace(p.rows, p.width))) {
    op_ = {.d = d_.data(),
           .d_stride = p.width + p.gap,
           .sums = sums_.data(),
           .workspace = workspace_.data(),
           .rows = p.rows,
           .width = p.width};
  }

  void launch(Stream& stream) override {
    workspace_.poison();
    column_sums(stream, op_);
  }
  Work work() const override { return column_sums_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result{"sums", {}, {}, {}, Precision::float32};
    const std::vector<float> now = sums_.read();
    for (int64_t i = 0; i < p_.width; ++i) {
      float naive = sums_[static_cast<size_t>(i)];
      double exact = number(naive);
      double magnitude = std::abs(exact);
      for (int64_t r = 0; r < p_.rows; ++r) {
        const float d = d_[static_cast<size_t>(r * op_.d_stride + i)];
        naive += d;
        exact += number(d);
        magnitude += std::abs(number(d));
      }
      add_stored(result, now[static_cast<size_t>(i)], naive, exact);
      result.magnitude = std::max(result.magnitude, magnitude);
    }
    sums_.restore();
    return {result};
  }

 private:
  Parameters p_;
  RepeatedValues d_;
  RepeatedArray<float> sums_;
  DeviceArray<float> workspace_;
  ColumnSums op_;
};

}  // namespace

void add_column_sums_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {.rows = 1, .width = 1},
      {.rows = 33, .width = 13, .gap = 2},
      {.rows = 70, .width = 26, .gap = 2},
      {.rows = 100, .width = 264},
      {.rows = 5, .width = 1040, .gap = 8},
      {.rows = 4500, .width = 8},
      {.rows = 8192, .width = 2 * 1664, .large = true},
      {.rows = 2048, .width = 1664, .large = true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"column_sums", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<ColumnSumsCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
