// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>

#include "cuda_impl/kernels/rms_norm.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/norm_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t rows = 1;
  int32_t width = 2;
  int64_t x_gap = 0;
  int64_t out_gap = 0;
  int64_t copy_gap = -1;  ///< >= 0: the result goes to a second place as well
  double scale = 1.0;     ///< of x
  bool large = false;
};

std::string name_of(const Parameters& p) {
  std::string name = fmt::format("rows={} width={} x_gap={} out_gap={}", p.rows, p.width, p.x_gap, p.out_gap);
  if (p.copy_gap >= 0) name += fmt::format(" copy_gap={}", p.copy_gap);
  if (p.scale != 1.0) name += " small";
  return name;
}

class RmsNormCase : public OpCase {
 public:
  RmsNormCase(const Parameters& p, uint64_t seed)
      : p_(p),
        x_(size(p.x_gap), seed, p.scale),
        gain_(static_cast<size_t>(p.width), seed + 1),
        out_(size(p.out_gap), seed + 2),
        copy_(p.copy_gap < 0 ? 1 : size(p.copy_gap), seed + 3) {
    op_ = {.x = x_.data(),
           .x_stride = p.width + p.x_gap,
           .gain = gain_.data(),
           .out = out_.data(),
           .out_stride = p.width + p.out_gap,
           .copy = p.copy_gap < 0 ? nullptr : copy_.data(),
           .copy_stride = p.copy_gap < 0 ? 0 : p.width + p.copy_gap,
           .rows = p.rows,
           .width = p.width,
           .eps = 1e-5f};
  }

  void launch(Stream& stream) override { rms_norm(stream, op_); }
  Work work() const override { return rms_norm_work(op_); }

  std::vector<OpOutput> outputs() override {
    std::vector<OpOutput> outputs;
    add_outputs(outputs, "out", out_, op_.out_stride);
    if (p_.copy_gap >= 0) add_outputs(outputs, "copy", copy_, op_.copy_stride);
    return outputs;
  }

 private:
  static constexpr int64_t most_rows_checked = 64;

  size_t size(int64_t gap) const { return static_cast<size_t>(p_.rows * (p_.width + gap)); }

  void add_outputs(std::vector<OpOutput>& outputs, const std::string& name, RepeatedValues& array,
                   int64_t stride) {
    const auto width = static_cast<size_t>(p_.width);
    OpOutput result{name, {}, {}, {}};
    Untouched<bf16> untouched(array);
    const std::vector<bf16> now = array.read();
    for (int64_t row = 0; row < p_.rows; ++row) {
      const auto at = static_cast<size_t>(row * stride);
      untouched.touch(at, width);
      if (row % check_step(p_.rows, most_rows_checked) != 0) continue;
      const auto x = static_cast<size_t>(row * op_.x_stride);
      const std::vector<float> naive = normed<float>(x_, x, gain_, op_.eps);
      const std::vector<double> exact = normed<double>(x_, x, gain_, op_.eps);
      for (size_t i = 0; i < width; ++i) add_rounded(result, now[at + i], naive[i], exact[i]);
    }
    array.restore();
    outputs.push_back(result);
    outputs.push_back(untouched.output("between rows of " + name, now));
  }

  Parameters p_;
  RepeatedValues x_;
  RepeatedValues gain_;
  RepeatedValues out_;
  RepeatedValues copy_;
  RmsNorm op_;
};

}  // namespace

void add_rms_norm_cases(std::vector<NamedCase>& cases) {
  std::vector<Parameters> all = {
      {.rows = 1, .width = 2},
      {.rows = 3, .width = 2, .x_gap = 2, .out_gap = 4, .copy_gap = 6},
      {.rows = 1, .width = 24},
      {.rows = 3, .width = 24, .x_gap = 24, .out_gap = 8},
      {.rows = 3, .width = 24, .copy_gap = 2},
      {.rows = 3, .width = 26},
      {.rows = 5, .width = 52, .x_gap = 52, .copy_gap = 0},
      {.rows = 3, .width = 52, .scale = 1e-3},
      {.rows = 2, .width = 514, .out_gap = 2},
      {.rows = 3, .width = 1664, .copy_gap = 1664},
      {.rows = 2, .width = 6656},
  };
  for (const int64_t rows : {1, 8, 64, 512, 2048}) {
    for (const int32_t width : {1664, 4 * 1664}) all.push_back({.rows = rows, .width = width, .large = true});
  }
  for (const Parameters& p : all) {
    cases.push_back({"rms_norm", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<RmsNormCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
