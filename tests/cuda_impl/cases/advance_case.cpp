// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/advance.h"

#include <fmt/format.h>

#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t rows = 1;
  int32_t first = 0;
  int32_t tokens = 1;
  int32_t step = 0;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("rows={} first={} tokens={} step={}", p.rows, p.first, p.tokens, p.step);
}

class AdvanceCase : public OpCase {
 public:
  AdvanceCase(const Parameters& p, uint64_t seed)
      : p_(p),
        capacity_(latest_start + p.first + p.tokens + 1),
        tokens_(static_cast<size_t>(p.rows * capacity_), seed, 1000.0),
        log_probs_(static_cast<size_t>(p.rows * capacity_), seed + 1),
        start_(starts(p, seed + 2)),
        burst_(static_cast<size_t>(p.rows * p.tokens), seed + 3, 1000.0),
        burst_log_probs_(static_cast<size_t>(p.rows * p.tokens), seed + 4) {
    for (int64_t row = 0; row < p.rows; ++row) {
      // What is wanted ends before, at and after the next start.
      target_.push_back(start_[static_cast<size_t>(row)] + p.step + static_cast<int32_t>(row % 5 / 2) - 1 +
                        (p.step == 0 ? 2 : 0));
    }
    device_target_ = DeviceArray<int32_t>(target_);
    op_ = {.rows = {.tokens = tokens_.data(),
                    .log_probs = log_probs_.data(),
                    .capacity = capacity_,
                    .start = start_.data(),
                    .target = device_target_.data()},
           .count = p.rows,
           .first = p.first,
           .tokens = p.tokens,
           .step = p.step,
           .burst = burst_.data(),
           .burst_log_probs = burst_log_probs_.data()};
  }

  void launch(Stream& stream) override { advance(stream, op_); }
  Work work() const override { return advance_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput burst = copied_output("burst");
    OpOutput log_probs = copied_output("burst_log_probs");
    OpOutput starts = copied_output("start");
    const std::vector<int32_t> tokens_now = burst_.read();
    const std::vector<float> log_probs_now = burst_log_probs_.read();
    const std::vector<int32_t> starts_now = start_.read();
    for (size_t row = 0; row < static_cast<size_t>(p_.rows); ++row) {
      const int32_t start = start_[row];
      const bool idle = start < 0;
      const int32_t next = start + p_.step;
      add_copied(starts, starts_now[row], idle ? start : next < target_[row] ? next : -1);
      for (size_t i = 0; i < static_cast<size_t>(p_.tokens); ++i) {
        const size_t to = row * static_cast<size_t>(p_.tokens) + i;
        const size_t from =
            row * static_cast<size_t>(capacity_) + static_cast<size_t>(idle ? 0 : start + p_.first) + i;
        add_copied(burst, tokens_now[to], idle ? burst_[to] : tokens_[from]);
        add_copied(log_probs, log_probs_now[to], idle ? burst_log_probs_[to] : log_probs_[from]);
      }
    }
    const Untouched<int32_t> tokens(tokens_);
    const Untouched<float> all_log_probs(log_probs_);
    std::vector<OpOutput> outputs = {burst, log_probs, starts, tokens.output("tokens", tokens_.read()),
                                     all_log_probs.output("log_probs", log_probs_.read())};
    start_.restore();
    burst_.restore();
    burst_log_probs_.restore();
    return outputs;
  }

 private:
  static constexpr int32_t latest_start = 12;

  static std::vector<int32_t> starts(const Parameters& p, uint64_t seed) {
    const Philox random(seed);
    std::vector<int32_t> out;
    for (int64_t row = 0; row < p.rows; ++row) {
      const auto start =
          static_cast<int32_t>(random.uniform(0, static_cast<uint64_t>(row)) * (latest_start + 1));
      out.push_back(row % 4 == 2 ? -1 : start);
    }
    return out;
  }

  Parameters p_;
  int64_t capacity_;
  RepeatedArray<int32_t> tokens_;
  RepeatedArray<float> log_probs_;
  RepeatedArray<int32_t> start_;
  RepeatedArray<int32_t> burst_;
  RepeatedArray<float> burst_log_probs_;
  std::vector<int32_t> target_;
  DeviceArray<int32_t> device_target_;
  Advance op_;
};

}  // namespace

void add_advance_cases(std::vector<NamedCase>& cases) {
  // Without a step a launch changes no start that it reads, and may be repeated for timing.
  const std::vector<Parameters> all = {
      {},
      {.rows = 3, .first = 1, .tokens = 1, .step = 1},
      {.rows = 10, .tokens = 12, .step = 12},
      {.rows = 7, .first = 3, .tokens = 70, .step = 4},
      {.rows = 5, .tokens = 3},
      {.rows = 64, .tokens = 16, .large = true},
      {.rows = 2048, .tokens = 16, .large = true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"advance", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<AdvanceCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
