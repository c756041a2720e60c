// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda_impl/cases/product_case.h"

#include <fmt/format.h>

#include <cmath>

#include "tests/cuda_impl/cases/norm_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int64_t most_rows_checked = 8;
constexpr int64_t most_columns_checked = 500;

size_t area(int64_t rows, int64_t columns) {
  return static_cast<size_t>(rows * columns);
}

}  // namespace

std::string name_of(const ProductShape& p) {
  std::string name = fmt::format("rows={} in={} out={}", p.rows, p.in, p.out);
  if (p.x_gap > 0) name += fmt::format(" x_gap={}", p.x_gap);
  if (p.out_gap > 0) name += fmt::format(" out_gap={}", p.out_gap);
  if (p.norm) name += " norm";
  if (p.bias) name += " bias";
  if (p.swiglu) name += " swiglu";
  if (p.accumulate) name += " accumulate";
  if (p.in_float) name += " float";
  return name;
}

ProductCase::ProductCase(const ProductShape& p, uint64_t seed)
    : p_(p),
      x_(area(p.rows, p.in + p.x_gap), seed),
      gain_(static_cast<size_t>(p.in), seed + 1),
      weight_(area(p.swiglu ? 2 * p.out : p.out, p.in), seed + 2, 1.0 / std::sqrt(static_cast<double>(p.in))),
      bias_(static_cast<size_t>(p.out), seed + 3),
      out_(p.in_float ? 1 : area(p.rows, p.out + p.out_gap), seed + 4),
      out_float_(p.in_float ? area(p.rows, p.out + p.out_gap) : 1, seed + 5) {}

template <class S>
std::vector<S> ProductCase::row(int64_t r) const {
  const size_t at = area(r, x_stride());
  if (p_.norm) {
    std::vector<S> out = normed<S>(x_, at, gain_, eps);
    if constexpr (std::is_same_v<S, float>) {
      for (float& v : out) v = to_float(to_bf16(v));
    }
    return out;
  }
  std::vector<S> out;
  for (size_t i = 0; i < static_cast<size_t>(p_.in); ++i) out.push_back(static_cast<S>(x_[at + i]));
  return out;
}

template <class S>
S ProductCase::dot(const std::vector<S>& x, int64_t column, double* magnitude) const {
  const size_t at = area(column, p_.in);
  S sum = 0;
  double all = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    const S term = x[i] * static_cast<S>(weight_[at + i]);
    sum += term;
    all += std::abs(static_cast<double>(term));
  }
  *magnitude = std::max(*magnitude, all);
  return sum;
}

template <class S>
S ProductCase::result(const std::vector<S>& x, int64_t r, int64_t column, double* magnitude) const {
  S y = dot(x, column, magnitude);
  if (p_.swiglu) y = silu_on_host(y) * dot(x, p_.out + column, magnitude);
  if (p_.bias) y += static_cast<S>(bias_[static_cast<size_t>(column)]);
  if (p_.accumulate) y += static_cast<S>(out_[area(r, out_stride()) + static_cast<size_t>(column)]);
  return y;
}

std::vector<OpOutput> ProductCase::outputs() {
  OpOutput result{"out", {}, {}, {}, p_.in_float ? Precision::float32 : Precision::bfloat16};
  const std::vector<bf16> out = out_.read();
  const std::vector<float> out_float = out_float_.read();
  Untouched<bf16> rest(out_);
  Untouched<float> rest_float(out_float_);
  double magnitude = 0.0;
  for (int64_t r = 0; r < p_.rows; ++r) {
    const size_t begin = area(r, out_stride());
    if (p_.in_float) {
      rest_float.touch(begin, static_cast<size_t>(p_.out));
    } else {
      rest.touch(begin, static_cast<size_t>(p_.out));
    }
    if (r % check_step(p_.rows, most_rows_checked) != 0) continue;
    const std::vector<float> x = row<float>(r);
    const std::vector<double> exact_x = row<double>(r);
    for (int64_t column = 0; column < p_.out; column += check_step(p_.out, most_columns_checked)) {
      const size_t at = begin + static_cast<size_t>(column);
      const float naive = this->result<float>(x, r, column, &magnitude);
      const double exact = this->result<double>(exact_x, r, column, &magnitude);
      if (p_.in_float) {
        result.fast.push_back(number(out_float[at]));
        result.naive.push_back(number(naive));
        result.exact.push_back(exact);
      } else {
        add_rounded(result, out[at], naive, exact);
      }
    }
  }
  // Sums that go into bf16 are far finer than it.
  if (p_.in_float) result.magnitude = magnitude;
  out_.restore();
  out_float_.restore();
  return {result, rest.output("between rows", out), rest_float.output("between rows of floats", out_float)};
}

}  // namespace photon::PHOTON_GPU
