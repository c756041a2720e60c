// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/conditioning_backward.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/gradient_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t rows = 1;
  int32_t chunks = 1;
  int32_t context = 1;
  int32_t width = 2;
  bool previous = false;
  bool start = true;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("rows={} chunks={} context={} width={} {}{}", p.rows, p.chunks, p.context, p.width,
                     p.previous ? "previous" : "current", p.start ? "" : " no start");
}

class ConditioningBackwardCase : public OpCase {
 public:
  ConditioningBackwardCase(const Parameters& p, uint64_t seed)
      : p_(p),
        d_(size(p.rows * p.chunks * p.context), seed),
        d_latents_(size(p.rows * p.chunks), seed + 1),
        d_start_(size(1), seed + 2) {
    op_ = {.d = d_.data(),
           .d_latents = d_latents_.data(),
           .d_start = p.start ? d_start_.data() : nullptr,
           .rows = p.rows,
           .chunks = p.chunks,
           .context = p.context,
           .width = p.width,
           .previous = p.previous};
  }

  void launch(Stream& stream) override { conditioning_backward(stream, op_); }
  Work work() const override { return conditioning_backward_work(op_); }

  std::vector<OpOutput> outputs() override {
    Sums<float> naive = sums<float>();
    Sums<double> exact = sums<double>();
    OpOutput latents{"d_latents", {}, {}, {}, Precision::float32};
    OpOutput start{"d_start", {}, {}, {}, Precision::float32};
    latents.magnitude = start.magnitude = exact.magnitude;
    const std::vector<float> latents_now = d_latents_.read();
    const std::vector<float> start_now = d_start_.read();
    const auto step = static_cast<size_t>(check_step(static_cast<int64_t>(latents_now.size()), 100'000));
    for (size_t i = 0; i < latents_now.size(); i += step) {
      add_stored(latents, latents_now[i], naive.latents[i], exact.latents[i]);
    }
    for (size_t i = 0; i < start_now.size(); ++i) {
      if (p_.start) {
        add_stored(start, start_now[i], naive.start[i], exact.start[i]);
      } else {
        add_stored(start, start_now[i], d_start_[i], number(d_start_[i]));
      }
    }
    d_latents_.restore();
    d_start_.restore();
    return {latents, start};
  }

 private:
  template <class S>
  struct Sums {
    std::vector<S> latents;
    std::vector<S> start;
    double magnitude = 0.0;
  };

  size_t size(int64_t vectors) const { return static_cast<size_t>(vectors * p_.width); }

  template <class S>
  Sums<S> sums() const {
    Sums<S> out;
    for (size_t i = 0; i < d_latents_.size(); ++i) out.latents.push_back(static_cast<S>(d_latents_[i]));
    for (size_t i = 0; i < d_start_.size(); ++i) out.start.push_back(static_cast<S>(d_start_[i]));
    std::vector<double> start_magnitude(out.start.size());
    for (int64_t vector = 0; vector < p_.rows * p_.chunks * p_.context; ++vector) {
      const int64_t source =
          conditioning_source(vector % p_.context, vector / p_.context % p_.chunks, p_.context, p_.previous);
      const int64_t row = vector / p_.context / p_.chunks;
      S* to = source < 0 ? out.start.data() : &out.latents[size(row * p_.chunks + source)];
      for (size_t i = 0; i < size(1); ++i) {
        const S d = static_cast<S>(d_[size(vector) + i]);
        to[i] += d;
        out.magnitude = std::max(out.magnitude, std::abs(static_cast<double>(to[i])));
        if (source >= 0) continue;
        start_magnitude[i] += std::abs(static_cast<double>(d));
        out.magnitude = std::max(out.magnitude, start_magnitude[i]);
      }
    }
    return out;
  }

  Parameters p_;
  RepeatedValues d_;
  RepeatedArray<float> d_latents_;
  RepeatedArray<float> d_start_;
  ConditioningBackward op_;
};

}  // namespace

void add_conditioning_backward_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {.rows = 1, .chunks = 1, .width = 2, .previous = true},
      {.rows = 3, .chunks = 4, .width = 24},
      {.rows = 35, .chunks = 3, .width = 24, .previous = true},
      {.rows = 2, .chunks = 5, .context = 3, .width = 26},
      {.rows = 3, .chunks = 6, .context = 3, .width = 10, .previous = true},
      {.rows = 2, .chunks = 2, .context = 4, .width = 72, .previous = true},
      {.rows = 2, .chunks = 3, .context = 2, .width = 1040, .previous = true, .start = false},
      {.rows = 16, .chunks = 512, .width = 1664, .previous = true, .large = true},
      {.rows = 16, .chunks = 512, .context = 4, .width = 1664, .previous = true, .large = true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"conditioning_backward", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<ConditioningBackwardCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
