// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstring>

#include "cuda_impl/kernels/cross_entropy.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/gradient_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t rows = 1;
  int32_t vocab = 2;
  double scale = 1.0;
  bool differentiate = true;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("rows={} vocab={} scale={}{}", p.rows, p.vocab, p.scale,
                     p.differentiate ? " gradient" : "");
}

/// Any token, the first and the last one, and none.
std::vector<int32_t> random_targets(int64_t rows, int32_t vocab, uint64_t seed) {
  std::vector<int32_t> out;
  const Philox random(seed);
  for (int64_t r = 0; r < rows; ++r) {
    const auto u = random.uniform(1, static_cast<uint64_t>(r));
    const auto any = static_cast<int32_t>(u * vocab);
    out.push_back(r % 7 == 1 ? -1 : r % 7 == 2 ? 0 : r % 7 == 3 ? vocab - 1 : any);
  }
  return out;
}

class CrossEntropyCase : public OpCase {
 public:
  CrossEntropyCase(const Parameters& p, uint64_t seed)
      : p_(p),
        logits_(static_cast<size_t>(p.rows * p.vocab), seed, p.scale),
        targets_(random_targets(p.rows, p.vocab, seed + 1)),
        losses_(static_cast<size_t>(p.rows), seed + 2) {
    op_ = {.logits = logits_.data(),
           .targets = targets_.data(),
           .factor = 1.0f / 37.0f,
           .differentiate = p.differentiate,
           .row_losses = losses_.data(),
           .rows = p.rows,
           .vocab = p.vocab};
  }

  void launch(Stream& stream) override { cross_entropy(stream, op_); }
  Work work() const override { return cross_entropy_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput losses{"row_losses", {}, {}, {}, Precision::float32};
    OpOutput gradient{"gradient", {}, {}, {}};
    const std::vector<float> losses_now = losses_.read();
    const std::vector<float> now = logits_.read();
    const auto vocab = static_cast<size_t>(p_.vocab);
    Untouched<float> rest(logits_);
    for (int64_t r = 0; r < p_.rows; ++r) {
      const size_t at = static_cast<size_t>(r) * vocab;
      if (p_.differentiate) rest.touch(at, (vocab + 1) / 2);
      if (r % check_step(p_.rows, most_rows_checked) != 0) continue;
      const int32_t target = targets_.value(static_cast<size_t>(r));
      std::vector<float> naive(target < 0 ? vocab : 0);
      std::vector<double> exact(target < 0 ? vocab : 0);
      float naive_loss = 0.0f;
      double exact_loss = 0.0;
      if (target >= 0) {
        const Strided<RepeatedArray<float>> row{logits_, static_cast<int64_t>(at)};
        naive_loss = cross_entropy_on_host<float>(row, p_.vocab, target, op_.factor, &naive);
        exact_loss = cross_entropy_on_host<double>(row, p_.vocab, target, number(op_.factor), &exact);
        for (size_t i = 0; i < vocab; ++i) {
          losses.magnitude = std::max(losses.magnitude, exact_loss + 2.0 * std::abs(number(logits_[at + i])));
        }
      }
      add_stored(losses, losses_now[static_cast<size_t>(r)], naive_loss, exact_loss);
      if (!p_.differentiate) continue;
      std::vector<bf16> fast(vocab);
      std::memcpy(static_cast<void*>(fast.data()), &now[at], vocab * sizeof(bf16));
      for (size_t i = 0; i < vocab; ++i) add_rounded(gradient, fast[i], naive[i], exact[i]);
    }
    logits_.restore();
    losses_.restore();
    return {losses, gradient, rest.output("behind gradients", now)};
  }

 private:
  static constexpr int64_t most_rows_checked = 64;

  Parameters p_;
  RepeatedArray<float> logits_;
  RepeatedArray<int32_t> targets_;
  RepeatedArray<float> losses_;
  CrossEntropy op_;
};

}  // namespace

void add_cross_entropy_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {.rows = 1, .vocab = 1},
      {.rows = 8, .vocab = 11},
      {.rows = 4, .vocab = 260, .scale = 5.0},
      {.rows = 9, .vocab = 1000, .scale = 30.0},
      {.rows = 3, .vocab = 2501},
      {.rows = 2, .vocab = 20488},
      {.rows = 8, .vocab = 520, .differentiate = false},
      {.rows = 1024, .vocab = 32000, .scale = 3.0, .large = true},
      {.rows = 1024, .vocab = 32000, .scale = 3.0, .differentiate = false, .large = true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"cross_entropy", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<CrossEntropyCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
