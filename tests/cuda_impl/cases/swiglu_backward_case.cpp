// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/swiglu_backward.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/gradient_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t rows = 1;
  int32_t ffn = 1;
  double scale = 1.0;
  bool in_place = false;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("rows={} ffn={} scale={}{}", p.rows, p.ffn, p.scale, p.in_place ? " in place" : "");
}

class SwigluBackwardCase : public OpCase {
 public:
  SwigluBackwardCase(const Parameters& p, uint64_t seed)
      : p_(p),
        gate_up_(2 * size(), seed, p.scale),
        d_out_(size(), seed + 1),
        d_gate_up_(p.in_place ? 1 : 2 * size(), seed + 2) {
    op_ = {.gate_up = gate_up_.data(),
           .d_out = d_out_.data(),
           .d_gate_up = p.in_place ? gate_up_.data() : d_gate_up_.data(),
           .rows = p.rows,
           .ffn = p.ffn};
  }

  void launch(Stream& stream) override { swiglu_backward(stream, op_); }
  Work work() const override { return swiglu_backward_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput gate{"d_gate", {}, {}, {}};
    OpOutput up{"d_up", {}, {}, {}};
    const std::vector<bf16> now = p_.in_place ? gate_up_.read() : d_gate_up_.read();
    const auto ffn = static_cast<size_t>(p_.ffn);
    const auto step = static_cast<size_t>(check_step(p_.rows * p_.ffn, most_checked));
    for (size_t i = 0; i < size(); i += step) {
      const size_t at = i / ffn * 2 * ffn + i % ffn;
      const auto naive = swiglu_gradient(gate_up_[at], gate_up_[at + ffn], d_out_[i]);
      const auto exact = swiglu_gradient(number(gate_up_[at]), number(gate_up_[at + ffn]), number(d_out_[i]));
      add_rounded(gate, now[at], naive.gate, exact.gate);
      add_rounded(up, now[at + ffn], naive.up, exact.up);
    }
    (p_.in_place ? gate_up_ : d_gate_up_).restore();
    return {gate, up};
  }

 private:
  static constexpr int64_t most_checked = 100'000;

  size_t size() const { return static_cast<size_t>(p_.rows * p_.ffn); }

  Parameters p_;
  RepeatedValues gate_up_;
  RepeatedValues d_out_;
  RepeatedValues d_gate_up_;
  SwigluBackward op_;
};

}  // namespace

void add_swiglu_backward_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {.rows = 1, .ffn = 1},
      {.rows = 3, .ffn = 13, .in_place = true},
      {.rows = 5, .ffn = 52},
      {.rows = 3, .ffn = 1040, .in_place = true},
      {.rows = 3, .ffn = 24, .scale = 60.0},  // exp overflows, the gradient does not
      {.rows = 16384, .ffn = 4096, .large = true},
      {.rows = 16384, .ffn = 4096, .in_place = true, .large = true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"swiglu_backward", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<SwigluBackwardCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
