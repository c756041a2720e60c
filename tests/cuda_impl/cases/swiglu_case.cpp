// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/swiglu.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/norm_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t rows = 1;
  int32_t ffn = 1;
  double scale = 1.0;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("rows={} ffn={} scale={}", p.rows, p.ffn, p.scale);
}

class SwigluCase : public OpCase {
 public:
  SwigluCase(const Parameters& p, uint64_t seed)
      : p_(p), gate_up_(2 * size(), seed, p.scale), out_(size(), seed + 1) {
    op_ = {gate_up_.data(), out_.data(), p.rows, p.ffn};
  }

  void launch(Stream& stream) override { swiglu(stream, op_); }
  Work work() const override { return swiglu_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result{"out", {}, {}, {}};
    const std::vector<bf16> out = out_.read();
    const auto ffn = static_cast<size_t>(p_.ffn);
    const auto step = static_cast<size_t>(check_step(p_.rows * p_.ffn, most_checked));
    for (size_t i = 0; i < out.size(); i += step) {
      const size_t gate = i / ffn * 2 * ffn + i % ffn;
      add_rounded(result, out[i], silu_on_host(gate_up_[gate]) * gate_up_[gate + ffn],
                  silu_on_host(number(gate_up_[gate])) * number(gate_up_[gate + ffn]));
    }
    out_.restore();
    return {result};
  }

 private:
  static constexpr int64_t most_checked = 100'000;

  size_t size() const { return static_cast<size_t>(p_.rows * p_.ffn); }

  Parameters p_;
  RepeatedValues gate_up_;
  RepeatedValues out_;
  Swiglu op_;
};

}  // namespace

void add_swiglu_cases(std::vector<NamedCase>& cases) {
  std::vector<Parameters> all = {
      {.rows = 1, .ffn = 1},
      {.rows = 3, .ffn = 2},
      {.rows = 3, .ffn = 13},
      {.rows = 2, .ffn = 24},
      {.rows = 5, .ffn = 52},
      {.rows = 3, .ffn = 1040},
      {.rows = 3, .ffn = 24, .scale = 60.0},  // exp overflows, silu does not
  };
  for (const int64_t rows : {1, 8, 64, 512, 2048}) all.push_back({.rows = rows, .ffn = 4096, .large = true});
  for (const Parameters& p : all) {
    cases.push_back({"swiglu", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<SwigluCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
