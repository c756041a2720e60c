// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/model/matmul.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/gradient_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int64_t most_rows_checked = 8;
constexpr int64_t most_columns_checked = 300;

struct Parameters {
  int64_t rows = 1;
  int64_t in = 2;
  int64_t out = 1;
  int64_t d_gap = 0;      ///< between rows
  int64_t other_gap = 0;  ///< between rows of x, or of the result
  bool accumulate = false;
  bool in_float = false;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  std::string name = fmt::format("rows={} in={} out={}", p.rows, p.in, p.out);
  if (p.d_gap > 0) name += fmt::format(" d_gap={}", p.d_gap);
  if (p.other_gap > 0) name += fmt::format(" gap={}", p.other_gap);
  if (p.accumulate) name += " accumulate";
  if (p.in_float) name += " float";
  return name;
}

size_t area(int64_t rows, int64_t columns) {
  return static_cast<size_t>(rows * columns);
}

class InputGradientCase : public OpCase {
 public:
  InputGradientCase(const Parameters& p, uint64_t seed)
      : p_(p),
        d_(area(p.rows, p.out + p.d_gap), seed),
        weight_(area(p.out, p.in), seed + 1, 1.0 / std::sqrt(static_cast<double>(p.out))),
        out_(p.in_float ? 1 : area(p.rows, p.in + p.other_gap), seed + 2),
        out_float_(p.in_float ? area(p.rows, p.in + p.other_gap) : 1, seed + 3) {
    op_ = {.d = d_.data(),
           .d_stride = p.out + p.d_gap,
           .weight = weight_.data(),
           .accumulate = p.accumulate,
           .out = p.in_float ? nullptr : out_.data(),
           .out_float = p.in_float ? out_float_.data() : nullptr,
           .out_stride = p.in + p.other_gap,
           .rows = p.rows,
           .in = p.in,
           .out_width = p.out};
  }

  void launch(Stream& stream) override { matmul_(stream, "input_gradient", op_); }
  Work work() const override { return input_gradient_work(op_); }

  std::vector<OpOutput> outputs() override {
    std::vector<OpOutput> all;
    if (p_.in_float) {
      add_outputs(all, out_float_, Precision::float32);
    } else {
      add_outputs(all, out_, Precision::bfloat16);
    }
    return all;
  }

 private:
  template <class T>
  void add_outputs(std::vector<OpOutput>& all, RepeatedArray<T>& array, Precision precision) {
    OpOutput result{"out", {}, {}, {}, precision};
    Untouched<T> rest(array);
    const std::vector<T> now = array.read();
    double magnitude = 0.0;
    for (int64_t r = 0; r < p_.rows; ++r) {
      rest.touch(area(r, op_.out_stride), static_cast<size_t>(p_.in));
      if (r % check_step(p_.rows, most_rows_checked) != 0) continue;
      for (int64_t i = 0; i < p_.in; i += check_step(p_.in, most_columns_checked)) {
        const size_t at = area(r, op_.out_stride) + static_cast<size_t>(i);
        const Strided<RepeatedValues> d{d_, r * op_.d_stride, 1};
        const Strided<RepeatedValues> weight{weight_, i, p_.in};
        float naive = dot_on_host<float>(d, weight, p_.out, &magnitude);
        double exact = dot_on_host<double>(d, weight, p_.out, &magnitude);
        if (p_.accumulate) {
          naive += static_cast<float>(number(array.value(at)));
          exact += number(array.value(at));
        }
        add_stored(result, now[at], naive, exact);
      }
    }
    if (p_.in_float) result.magnitude = magnitude;
    array.restore();
    all.push_back(result);
    all.push_back(rest.output("between rows", now));
  }

  Parameters p_;
  RepeatedValues d_;
  RepeatedValues weight_;
  RepeatedValues out_;
  RepeatedArray<float> out_float_;  ///< one of the two is all but empty
  InputGradient op_;
  Matmul matmul_;
};

class WeightGradientCase : public OpCase {
 public:
  WeightGradientCase(const Parameters& p, uint64_t seed)
      : p_(p),
        d_(area(p.rows, p.out + p.d_gap), seed),
        x_(area(p.rows, p.in + p.other_gap), seed + 1),
        gradient_(area(p.out, p.in), seed + 2) {
    op_ = {.d = d_.data(),
           .d_stride = p.out + p.d_gap,
           .x = x_.data(),
           .x_stride = p.in + p.other_gap,
           .gradient = gradient_.data(),
           .rows = p.rows,
           .in = p.in,
           .out_width = p.out};
  }

  void launch(Stream& stream) override { matmul_(stream, "weight_gradient", op_); }
  Work work() const override { return weight_gradient_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result{"gradient", {}, {}, {}, Precision::float32};
    const std::vector<float> now = gradient_.read();
    for (int64_t o = 0; o < p_.out; o += check_step(p_.out, most_rows_checked)) {
      for (int64_t i = 0; i < p_.in; i += check_step(p_.in, most_columns_checked)) {
        const size_t at = area(o, p_.in) + static_cast<size_t>(i);
        const Strided<RepeatedValues> d{d_, o, op_.d_stride};
        const Strided<RepeatedValues> x{x_, i, op_.x_stride};
        const auto naive = dot_on_host<float>(d, x, p_.rows, &result.magnitude);
        const auto exact = dot_on_host<double>(d, x, p_.rows, &result.magnitude);
        add_stored(result, now[at], gradient_[at] + naive, number(gradient_[at]) + exact);
      }
    }
    gradient_.restore();
    return {result};
  }

 private:
  Parameters p_;
  RepeatedValues d_;
  RepeatedValues x_;
  RepeatedArray<float> gradient_;
  WeightGradient op_;
  Matmul matmul_;
};

template <class Case>
void add(std::vector<NamedCase>& cases, const std::string& op, const std::vector<Parameters>& all) {
  for (const Parameters& p : all) {
    cases.push_back(
        {op, name_of(p), p.large, [p](uint64_t seed) { return std::make_unique<Case>(p, seed); }});
  }
}

}  // namespace

void add_product_gradient_cases(std::vector<NamedCase>& cases) {
  std::vector<Parameters> inputs = {
      {.rows = 1, .in = 1, .out = 2},
      {.rows = 3, .in = 37, .out = 13},
      {.rows = 3, .in = 3, .out = 13, .d_gap = 13, .other_gap = 5},
      {.rows = 33, .in = 52, .out = 24, .accumulate = true},
      {.rows = 9, .in = 37, .out = 104, .in_float = true},
      {.rows = 4, .in = 24, .out = 24, .d_gap = 1, .other_gap = 3, .accumulate = true, .in_float = true},
  };
  std::vector<Parameters> weights = {
      {.rows = 1, .in = 1, .out = 2},
      {.rows = 3, .in = 37, .out = 13},
      {.rows = 70, .in = 3, .out = 13, .d_gap = 13, .other_gap = 5},
      {.rows = 33, .in = 52, .out = 24, .other_gap = 52},
  };
  for (const auto& [in, out] : {std::pair{1664, 3 * 1664}, {1664, 8192}, {4096, 1664}, {6656, 1664}}) {
    inputs.push_back({.rows = 8192, .in = in, .out = out, .large = true});
    weights.push_back({.rows = 8192, .in = in, .out = out, .large = true});
  }
  inputs.push_back({.rows = 2048, .in = 1664, .out = 32000, .d_gap = 32000, .large = true});
  inputs.push_back({.rows = 8192, .in = 4096, .out = 1664, .accumulate = true, .large = true});
  weights.push_back({.rows = 2048, .in = 1664, .out = 32000, .d_gap = 32000, .large = true});
  add<InputGradientCase>(cases, "input_gradient", inputs);
  add<WeightGradientCase>(cases, "weight_gradient", weights);
}

}  // namespace photon::PHOTON_GPU
