// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/squared_norm.h"

#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"
#include "tests/cuda_impl/cases/parameter_case.h"

namespace photon::PHOTON_GPU {
namespace {

class SquaredNormCase : public OpCase {
 public:
  SquaredNormCase(const ParameterShape& p, uint64_t seed)
      : ranges_(ranges_of(p)),
        values_(static_cast<size_t>(ranges_.back().offset + ranges_.back().size), seed),
        tiles_(parameter_tiles(ranges_)),
        workspace_(tiles_.size()),
        sum_(1) {
    int64_t elements = 0;
    for (const ParameterRange& r : ranges_) elements += r.trained ? r.size : 0;
    op_ = {.values = values_.data(),
           .tiles = tiles_.data(),
           .tile_count = static_cast<int64_t>(tiles_.size()),
           .elements = elements,
           .workspace = workspace_.data(),
           .sum = sum_.data()};
  }

  void launch(Stream& stream) override {
    workspace_.poison();
    squared_norm(stream, op_);
  }
  Work work() const override { return squared_norm_work(op_); }

  std::vector<OpOutput> outputs() override {
    double naive = 0.0;
    long double exact = 0.0L;
    for (const ParameterRange& r : ranges_) {
      for (int64_t i = r.offset; r.trained && i < r.offset + r.size; ++i) {
        const double v = number(values_[static_cast<size_t>(i)]);
        naive += v * v;
        exact += static_cast<long double>(v) * static_cast<long double>(v);
      }
    }
    // A few roundings on the way to a sum, whatever the order.
    const auto sum = static_cast<double>(exact);
    return {{"sum", sum_.read(), {naive}, {sum}, Precision::float64, 4.0 * sum}};
  }

 private:
  std::vector<ParameterRange> ranges_;
  RepeatedArray<float> values_;
  DeviceArray<ParameterTile> tiles_;
  DeviceArray<double> workspace_;
  DeviceArray<double> sum_;
  SquaredNorm op_;
};

}  // namespace

void add_squared_norm_cases(std::vector<NamedCase>& cases) {
  for (const ParameterShape& p : parameter_shapes()) {
    cases.push_back({"squared_norm", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<SquaredNormCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
