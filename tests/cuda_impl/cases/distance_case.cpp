// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/distance.h"

#include <fmt/format.h>

#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/gradient_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  Distance kind = Distance::cosine;
  int64_t groups = 1;
  int32_t rows = 1;
  int32_t width = 1;
  int64_t gap = 0;  ///< between groups of a; twice and three times that of d_a and d_b
  bool d_a = true;
  bool d_b = true;
  double scale = 1.0;  ///< of a
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("{} groups={} rows={} width={} gap={}{}{}{}",
                     p.kind == Distance::cosine ? "cosine" : "squared", p.groups, p.rows, p.width, p.gap,
                     p.d_a ? " d_a" : "", p.d_b ? " d_b" : "", p.scale == 1.0 ? "" : " small");
}

class DistanceCase : public OpCase {
 public:
  DistanceCase(const Parameters& p, uint64_t seed)
      : p_(p),
        a_(size(p.gap), seed, p.scale),
        b_(size(0), seed + 1),
        d_a_(size(2 * p.gap), seed + 2),
        d_b_(size(3 * p.gap), seed + 3),
        losses_(static_cast<size_t>(p.groups * p.rows), seed + 4) {
    op_ = {.kind = p.kind,
           .a = a_.data(),
           .a_stride = stride(p.gap),
           .b = b_.data(),
           .b_stride = stride(0),
           .factor = 0.3f,
           .d_a = p.d_a ? d_a_.data() : nullptr,
           .d_a_stride = p.d_a ? stride(2 * p.gap) : 0,
           .d_b = p.d_b ? d_b_.data() : nullptr,
           .d_b_stride = p.d_b ? stride(3 * p.gap) : 0,
           .row_losses = losses_.data(),
           .groups = p.groups,
           .rows = p.rows,
           .width = p.width};
  }

  void launch(Stream& stream) override { distance(stream, op_); }
  Work work() const override { return distance_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput losses{"row_losses", {}, {}, {}, Precision::float32};
    OpOutput d_a{"d_a", {}, {}, {}, Precision::float32};
    OpOutput d_b{"d_b", {}, {}, {}, Precision::float32};
    losses.magnitude = p_.kind == Distance::cosine ? factors : 0.0;  // of the cosine
    const std::vector<float> losses_now = losses_.read();
    const std::vector<float> d_a_now = d_a_.read();
    const std::vector<float> d_b_now = d_b_.read();
    Untouched<float> rest_a(d_a_);
    Untouched<float> rest_b(d_b_);
    for (int64_t row = 0; row < p_.groups * p_.rows; ++row) {
      const auto naive = gradient<float>(row);
      const auto exact = gradient<double>(row);
      add_stored(losses, losses_now[static_cast<size_t>(row)], naive.loss, exact.loss);
      if (p_.kind == Distance::squared) losses.magnitude = std::max(losses.magnitude, factors * exact.loss);
      const double terms = factors * exact.magnitude;
      const auto add_to = [&](OpOutput& out, const RepeatedArray<float>& before,
                              const std::vector<float>& now, int64_t begin, const std::vector<float>& naive_d,
                              const std::vector<double>& exact_d, Untouched<float>& rest) {
        for (size_t i = 0; i < exact_d.size(); ++i) {
          const size_t at = static_cast<size_t>(begin) + i;
          rest.touch(at);
          out.magnitude = std::max(out.magnitude, terms + std::abs(number(before[at])));
          add_stored(out, now[at], before[at] + naive_d[i], number(before[at]) + exact_d[i]);
        }
      };
      if (p_.d_a) add_to(d_a, d_a_, d_a_now, place(row, op_.d_a_stride), naive.d_a, exact.d_a, rest_a);
      if (p_.d_b) add_to(d_b, d_b_, d_b_now, place(row, op_.d_b_stride), naive.d_b, exact.d_b, rest_b);
    }
    std::vector<OpOutput> all = {losses, d_a, d_b, rest_a.output("between groups of d_a", d_a_now),
                                 rest_b.output("between groups of d_b", d_b_now)};
    losses_.restore();
    d_a_.restore();
    d_b_.restore();
    return all;
  }

 private:
  static constexpr double factors = 4.0;  ///< rounded ones, of each term that is summed up

  int64_t stride(int64_t gap) const { return int64_t{p_.rows} * p_.width + gap; }
  size_t size(int64_t gap) const { return static_cast<size_t>(p_.groups * stride(gap)); }
  int64_t place(int64_t row, int64_t stride) const {
    return row / p_.rows * stride + row % p_.rows * p_.width;
  }

  template <class S>
  DistanceGradient<S> gradient(int64_t row) const {
    return distance_gradient<S>(p_.kind, Strided<RepeatedValues>{a_, place(row, op_.a_stride)},
                                Strided<RepeatedValues>{b_, place(row, op_.b_stride)}, p_.width,
                                static_cast<S>(op_.factor));
  }

  Parameters p_;
  RepeatedValues a_;
  RepeatedValues b_;
  RepeatedArray<float> d_a_;
  RepeatedArray<float> d_b_;
  RepeatedArray<float> losses_;
  RowDistances op_;
};

}  // namespace

void add_distance_cases(std::vector<NamedCase>& cases) {
  std::vector<Parameters> all;
  for (const Distance kind : {Distance::cosine, Distance::squared}) {
    all.push_back({.kind = kind, .groups = 2, .width = 1});
    all.push_back({.kind = kind, .groups = 3, .rows = 2, .width = 13, .gap = 5});
    all.push_back({.kind = kind, .groups = 2, .rows = 3, .width = 26, .gap = 26, .d_b = false});
    all.push_back({.kind = kind, .groups = 5, .width = 24, .gap = 8, .d_a = false});
    all.push_back({.kind = kind, .groups = 3, .width = 2500, .d_a = false, .d_b = false});
    all.push_back({.kind = kind, .groups = 2, .width = 2056});
    all.push_back({.kind = kind, .groups = 8192, .width = 1664, .large = true});
    all.push_back({.kind = kind, .groups = 8192, .width = 1664, .d_b = false, .large = true});
  }
  all.push_back({.groups = 4, .width = 24, .scale = 1e-10});  // the norm of a is held
  for (const Parameters& p : all) {
    cases.push_back({"distance", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<DistanceCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
