// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/copy_rows.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t groups = 1;
  int32_t rows = 1;
  int32_t width = 2;
  int64_t from_gap = 0;
  int64_t to_gap = 0;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("groups={} rows={} width={} from_gap={} to_gap={}", p.groups, p.rows, p.width,
                     p.from_gap, p.to_gap);
}

class CopyRowsCase : public OpCase {
 public:
  CopyRowsCase(const Parameters& p, uint64_t seed)
      : p_(p), from_(size(p.from_gap), seed), to_(size(p.to_gap), seed + 1) {
    op_ = {.from = from_.data(),
           .from_stride = group() + p.from_gap,
           .to = to_.data(),
           .to_stride = group() + p.to_gap,
           .groups = p.groups,
           .rows = p.rows,
           .width = p.width};
  }

  void launch(Stream& stream) override { copy_rows(stream, op_); }
  Work work() const override { return copy_rows_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result = copied_output("to");
    Untouched<bf16> untouched(to_);
    const std::vector<bf16> to = to_.read();
    for (int64_t g = 0; g < p_.groups; ++g) {
      for (int64_t i = 0; i < group(); ++i) {
        const auto at = static_cast<size_t>(g * op_.to_stride + i);
        untouched.touch(at);
        if (g % check_step(p_.groups, most_checked) != 0) continue;
        add_copied(result, to[at], from_.value(static_cast<size_t>(g * op_.from_stride + i)));
      }
    }
    to_.restore();
    return {result, untouched.output("between groups", to)};
  }

 private:
  static constexpr int64_t most_checked = 100;

  int64_t group() const { return int64_t{p_.rows} * p_.width; }
  size_t size(int64_t gap) const { return static_cast<size_t>(p_.groups * (group() + gap)); }

  Parameters p_;
  RepeatedValues from_;
  RepeatedValues to_;
  CopyRows op_;
};

}  // namespace

void add_copy_rows_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {.groups = 1, .rows = 1, .width = 2},
      {.groups = 3, .rows = 1, .width = 13, .from_gap = 13, .to_gap = 1},
      {.groups = 3, .rows = 3, .width = 13},
      {.groups = 5, .rows = 2, .width = 52, .from_gap = 52, .to_gap = 156},
      {.groups = 3, .rows = 3, .width = 24, .to_gap = 24},
      {.groups = 3, .rows = 3, .width = 24, .from_gap = 3, .to_gap = 24},
      {.groups = 7, .rows = 1, .width = 4, .from_gap = 4},
      {.groups = 3, .rows = 4, .width = 416},
      {.groups = 64, .rows = 2, .width = 1664, .to_gap = 3 * 1664, .large = true},
      {.groups = 2048, .rows = 1, .width = 1664, .to_gap = 4 * 1664, .large = true},
      {.groups = 16384, .rows = 3, .width = 1664, .from_gap = 1664, .to_gap = 2 * 1664, .large = true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"copy_rows", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<CopyRowsCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
