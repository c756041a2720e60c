// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/embed.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int32_t vocab = 11;
  int32_t width = 2;
  int64_t rows = 1;
  int32_t count = 1;
  int32_t first = 0;
  int32_t step = 1;
  int64_t gap = 0;      ///< between rows of the result
  bool placed = false;  ///< rows have starts; every third one is idle
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("rows={} count={} width={} vocab={} first={} step={} gap={}{}", p.rows, p.count, p.width,
                     p.vocab, p.first, p.step, p.gap, p.placed ? " placed" : "");
}

class EmbedCase : public OpCase {
 public:
  EmbedCase(const Parameters& p, uint64_t seed)
      : p_(p),
        stride_(p.width + p.gap),
        capacity_(latest_start + p.first + p.count * p.step),
        table_(static_cast<size_t>(p.vocab) * static_cast<size_t>(p.width), seed),
        out_(static_cast<size_t>(p.rows * p.count * stride_), seed + 1) {
    const Philox random(seed + 2);
    for (int64_t row = 0; row < p.rows; ++row) {
      const auto r = static_cast<uint64_t>(row);
      const bool idle = p.placed && row % 3 == 1;
      start_.push_back(idle ? -1 : static_cast<int32_t>(random.uniform(1, r) * (latest_start + 1)));
      for (int64_t i = 0; i < capacity_; ++i) {
        tokens_.push_back(static_cast<int32_t>(
            random.uniform(2, r * static_cast<uint64_t>(capacity_) + static_cast<uint64_t>(i)) * p.vocab));
      }
    }
    device_start_ = DeviceArray<int32_t>(start_);
    device_tokens_ = DeviceArray<int32_t>(tokens_);
    op_ = {.table = table_.data(),
           .width = p.width,
           .slots = {device_tokens_.data(), capacity_, p.placed ? device_start_.data() : nullptr, p.first,
                     p.step},
           .rows = p.rows,
           .count = p.count,
           .out = out_.data(),
           .out_stride = stride_};
  }

  void launch(Stream& stream) override { embed(stream, op_); }
  Work work() const override { return embed_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result = copied_output("out");
    Untouched<bf16> untouched(out_);
    const std::vector<bf16> out = out_.read();
    for (int64_t row = 0; row < p_.rows; ++row) {
      const auto r = static_cast<size_t>(row);
      for (int32_t i = 0; i < p_.count; ++i) {
        const auto to = static_cast<size_t>((row * p_.count + i) * stride_);
        untouched.touch(to, static_cast<size_t>(p_.width));
        if (p_.placed && start_[r] < 0) continue;
        if ((row * p_.count + i) % check_step(p_.rows * p_.count, most_checked) != 0) continue;
        const int64_t at = (p_.placed ? start_[r] : 0) + p_.first + i * p_.step;
        const auto token = static_cast<size_t>(tokens_[static_cast<size_t>(row * capacity_ + at)]);
        for (size_t e = 0; e < static_cast<size_t>(p_.width); ++e) {
          add_copied(result, out[to + e], table_.value(token * static_cast<size_t>(p_.width) + e));
        }
      }
    }
    out_.restore();
    return {result, untouched.output("between rows", out)};
  }

 private:
  static constexpr int64_t latest_start = 7;
  static constexpr int64_t most_checked = 1000;

  Parameters p_;
  int64_t stride_;
  int64_t capacity_;
  RepeatedValues table_;
  RepeatedValues out_;
  std::vector<int32_t> start_;
  std::vector<int32_t> tokens_;
  DeviceArray<int32_t> device_start_;
  DeviceArray<int32_t> device_tokens_;
  Embed op_;
};

}  // namespace

void add_embed_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {.width = 2},
      {.vocab = 1, .width = 13, .rows = 3},
      {.vocab = 5, .width = 13, .rows = 4, .count = 3, .first = 2, .step = 2, .placed = true},
      {.width = 52, .rows = 3, .count = 2, .gap = 4},
      {.width = 24, .rows = 5, .count = 4, .first = 1, .placed = true},
      {.width = 24, .rows = 2, .count = 2, .gap = 1},
      {.vocab = 40, .width = 416, .rows = 3, .count = 4, .placed = true},
      {.vocab = 40, .width = 1664, .rows = 1, .gap = 1664},
      {.vocab = 32000, .width = 416, .rows = 1, .count = 4, .large = true},
      {.vocab = 32000, .width = 416, .rows = 64, .count = 4, .placed = true, .large = true},
      {.vocab = 32000, .width = 416, .rows = 64, .count = 2048, .large = true},
      {.vocab = 32000, .width = 1664, .rows = 64, .large = true},
      {.vocab = 32000, .width = 1664, .rows = 2048, .large = true},
  };
  for (const Parameters& p : all) {
    cases.push_back(
        {"embed", name_of(p), p.large, [p](uint64_t seed) { return std::make_unique<EmbedCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
