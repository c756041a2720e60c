// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/rms_norm_backward.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/gradient_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t groups = 1;
  int32_t rows = 1;
  int32_t width = 2;
  int64_t x_gap = 0;  ///< between groups
  int64_t d_out_gap = 0;
  int64_t d_x_gap = 0;
  bool add = false;
  double scale = 1.0;  ///< of x
  bool large = false;
};

std::string name_of(const Parameters& p, const char* types) {
  std::string name = fmt::format("{} groups={} rows={} width={}", types, p.groups, p.rows, p.width);
  if (p.x_gap + p.d_out_gap + p.d_x_gap > 0) {
    name += fmt::format(" gaps={},{},{}", p.x_gap, p.d_out_gap, p.d_x_gap);
  }
  if (p.add) name += " add";
  if (p.scale != 1.0) name += " small";
  return name;
}

template <class Out, class In>
class RmsNormBackwardCase : public OpCase {
 public:
  RmsNormBackwardCase(const Parameters& p, uint64_t seed)
      : p_(p),
        x_(size(p.x_gap), seed, p.scale),
        gain_(static_cast<size_t>(p.width), seed + 1),
        d_out_(size(p.d_out_gap), seed + 2),
        d_x_(size(p.d_x_gap), seed + 3),
        d_gain_(static_cast<size_t>(p.width), seed + 4),
        workspace_(static_cast<size_t>(rms_norm_backward_workspace(p.groups * p.rows, p.width))) {
    op_ = {.x = x_.data(),
           .x_stride = stride(p.x_gap),
           .gain = gain_.data(),
           .d_out_stride = stride(p.d_out_gap),
           .d_x_stride = stride(p.d_x_gap),
           .add = p.add,
           .d_gain = d_gain_.data(),
           .workspace = workspace_.data(),
           .groups = p.groups,
           .rows = p.rows,
           .width = p.width,
           .eps = 1e-5f};
    set(op_.d_out, op_.d_out_float, d_out_.data());
    set(op_.d_x, op_.d_x_float, d_x_.data());
  }

  void launch(Stream& stream) override {
    workspace_.poison();
    rms_norm_backward(stream, op_);
  }
  Work work() const override { return rms_norm_backward_work(op_); }

  std::vector<OpOutput> outputs() override {
    constexpr bool in_float = std::is_same_v<In, float>;
    OpOutput d_x{"d_x", {}, {}, {}, in_float ? Precision::float32 : Precision::bfloat16};
    OpOutput d_gain{"d_gain", {}, {}, {}, Precision::float32};
    const auto width = static_cast<size_t>(p_.width);
    const int64_t rows = p_.groups * p_.rows;
    const std::vector<In> now = d_x_.read();
    Untouched<In> rest(d_x_);
    std::vector<float> naive_gain;
    std::vector<double> exact_gain;
    std::vector<double> magnitude;
    for (size_t i = 0; i < width; ++i) {
      magnitude.push_back(std::abs(number(d_gain_[i])));
      naive_gain.push_back(d_gain_[i]);
      exact_gain.push_back(number(d_gain_[i]));
    }
    double largest = 0.0;
    for (int64_t row = 0; row < rows; ++row) {
      const auto naive = gradient<float>(row);
      const auto exact = gradient<double>(row);
      const size_t at = static_cast<size_t>(place(row, op_.d_x_stride));
      rest.touch(at, width);
      for (size_t i = 0; i < width; ++i) {
        naive_gain[i] += naive.d_gain[i];
        exact_gain[i] += exact.d_gain[i];
        magnitude[i] += factors * std::abs(exact.d_gain[i]);
        if (row % check_step(rows, most_rows_checked) != 0) continue;
        const double before = p_.add || in_float ? number(d_x_.value(at + i)) : 0.0;
        largest = std::max(largest, std::abs(before) + factors * exact.magnitude);
        add_stored(d_x, now[at + i], static_cast<float>(before) + naive.d_x[i], before + exact.d_x[i]);
      }
    }
    if (in_float) d_x.magnitude = largest;
    const std::vector<float> gain_now = d_gain_.read();
    for (size_t i = 0; i < width; ++i) {
      add_stored(d_gain, gain_now[i], naive_gain[i], exact_gain[i]);
      d_gain.magnitude = std::max(d_gain.magnitude, magnitude[i]);
    }
    d_x_.restore();
    d_gain_.restore();
    return {d_x, d_gain, rest.output("between groups of d_x", now)};
  }

 private:
  static constexpr int64_t most_rows_checked = 64;
  static constexpr double factors = 4.0;  ///< rounded ones, of each term that is summed up

  int64_t stride(int64_t gap) const { return static_cast<int64_t>(p_.rows) * p_.width + gap; }
  size_t size(int64_t gap) const { return static_cast<size_t>(p_.groups * stride(gap)); }
  int64_t place(int64_t row, int64_t stride) const {
    return row / p_.rows * stride + row % p_.rows * p_.width;
  }
  template <class S>
  NormGradient<S> gradient(int64_t row) const {
    return norm_gradient<S>(
        Strided<RepeatedValues>{x_, place(row, op_.x_stride)}, Strided<RepeatedValues>{gain_},
        Strided<RepeatedArray<Out>>{d_out_, place(row, op_.d_out_stride)}, p_.width, op_.eps);
  }
  static void set(const bf16*& rounded, const float*&, const bf16* p) { rounded = p; }
  static void set(const bf16*&, const float*& unrounded, const float* p) { unrounded = p; }
  static void set(bf16*& rounded, float*&, bf16* p) { rounded = p; }
  static void set(bf16*&, float*& unrounded, float* p) { unrounded = p; }

  Parameters p_;
  RepeatedValues x_;
  RepeatedValues gain_;
  RepeatedArray<Out> d_out_;
  RepeatedArray<In> d_x_;
  RepeatedArray<float> d_gain_;
  DeviceArray<float> workspace_;
  RmsNormBackward op_;
};

template <class Out, class In>
void add(std::vector<NamedCase>& cases, const char* types, const std::vector<Parameters>& all) {
  for (const Parameters& p : all) {
    cases.push_back({"rms_norm_backward", name_of(p, types), p.large,
                     [p](uint64_t seed) { return std::make_unique<RmsNormBackwardCase<Out, In>>(p, seed); }});
  }
}

}  // namespace

void add_rms_norm_backward_cases(std::vector<NamedCase>& cases) {
  add<bf16, bf16>(
      cases, "bf16 to bf16",
      {{.groups = 1, .width = 2},
       {.groups = 3, .width = 24, .add = true},
       {.groups = 3, .rows = 2, .width = 26, .x_gap = 2, .d_out_gap = 6, .d_x_gap = 4},
       {.groups = 5, .rows = 3, .width = 24, .x_gap = 8, .d_out_gap = 16, .d_x_gap = 24, .add = true},
       {.groups = 7, .width = 52, .scale = 1e-3},
       {.groups = 1100, .width = 8},
       {.groups = 3, .width = 514, .add = true},
       {.groups = 2, .width = 4104},
       {.groups = 1, .width = 8190},
       {.groups = 16384, .width = 1664, .add = true, .large = true},
       {.groups = 16384, .width = 1664, .large = true},
       {.groups = 32768, .width = 512, .add = true, .large = true}});
  add<float, bf16>(cases, "float to bf16",
                   {{.groups = 3, .width = 24},
                    {.groups = 4, .width = 26, .d_out_gap = 2, .add = true},
                    {.groups = 4096, .width = 1664, .large = true}});
  add<bf16, float>(cases, "bf16 to float",
                   {{.groups = 2, .rows = 2, .width = 40, .d_x_gap = 8},
                    {.groups = 3, .width = 18},
                    {.groups = 2, .width = 6656},
                    {.groups = 2048, .width = 4 * 1664, .large = true}});
  add<float, float>(cases, "float to float", {{.groups = 3, .width = 24}, {.groups = 3, .width = 50}});
}

}  // namespace photon::PHOTON_GPU
