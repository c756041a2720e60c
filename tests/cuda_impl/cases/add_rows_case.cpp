// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/add_rows.h"
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
  bool add = true;
  bool large = false;
};

std::string name_of(const Parameters& p, const char* types) {
  return fmt::format("{} {} groups={} rows={} width={} from_gap={} to_gap={}", p.add ? "add" : "set", types,
                     p.groups, p.rows, p.width, p.from_gap, p.to_gap);
}

template <class From, class To>
class AddRowsCase : public OpCase {
 public:
  AddRowsCase(const Parameters& p, uint64_t seed)
      : p_(p), from_(size(p.from_gap), seed), to_(size(p.to_gap), seed + 1) {
    op_ = {.from_stride = group() + p.from_gap,
           .to_stride = group() + p.to_gap,
           .add = p.add,
           .groups = p.groups,
           .rows = p.rows,
           .width = p.width};
    if constexpr (std::is_same_v<From, float>) {
      op_.from_float = from_.data();
    } else {
      op_.from = from_.data();
    }
    if constexpr (std::is_same_v<To, float>) {
      op_.to_float = to_.data();
    } else {
      op_.to = to_.data();
    }
  }

  void launch(Stream& stream) override { add_rows(stream, op_); }
  Work work() const override { return add_rows_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result{"to", {}, {}, {}, std::is_same_v<To, float> ? Precision::float32 : Precision::bfloat16};
    Untouched<To> untouched(to_);
    const std::vector<To> now = to_.read();
    for (int64_t g = 0; g < p_.groups; ++g) {
      for (int64_t i = 0; i < group(); ++i) {
        const auto at = static_cast<size_t>(g * op_.to_stride + i);
        untouched.touch(at);
        if (g % check_step(p_.groups, most_checked) != 0) continue;
        const float x = from_[static_cast<size_t>(g * op_.from_stride + i)];
        const float y = p_.add ? to_[at] : 0.0f;
        add_stored(result, now[at], x + y, number(x) + number(y));
      }
    }
    to_.restore();
    return {result, untouched.output("between groups", now)};
  }

 private:
  static constexpr int64_t most_checked = 100;

  int64_t group() const { return int64_t{p_.rows} * p_.width; }
  size_t size(int64_t gap) const { return static_cast<size_t>(p_.groups * (group() + gap)); }

  Parameters p_;
  RepeatedArray<From> from_;
  RepeatedArray<To> to_;
  AddRows op_;
};

template <class From, class To>
void add(std::vector<NamedCase>& cases, const char* types, const std::vector<Parameters>& all) {
  for (const Parameters& p : all) {
    cases.push_back({"add_rows", name_of(p, types), p.large,
                     [p](uint64_t seed) { return std::make_unique<AddRowsCase<From, To>>(p, seed); }});
  }
}

}  // namespace

void add_add_rows_cases(std::vector<NamedCase>& cases) {
  add<bf16, float>(cases, "bf16 to float",
                   {{.groups = 1, .rows = 1, .width = 1},
                    {.groups = 3, .rows = 3, .width = 13, .from_gap = 26},
                    {.groups = 5, .rows = 2, .width = 26, .to_gap = 26},
                    {.groups = 7, .rows = 3, .width = 104, .from_gap = 208, .add = false},
                    {.groups = 4096, .rows = 3, .width = 1664, .from_gap = 2 * 1664, .large = true}});
  add<float, bf16>(cases, "float to bf16",
                   {{.groups = 3, .rows = 2, .width = 13, .from_gap = 1, .to_gap = 3},
                    {.groups = 3, .rows = 2, .width = 24, .from_gap = 24, .to_gap = 48, .add = false},
                    {.groups = 4096, .rows = 4, .width = 1664, .to_gap = 1664, .add = false, .large = true}});
  add<bf16, bf16>(cases, "bf16 to bf16",
                  {{.groups = 2, .rows = 3, .width = 7, .from_gap = 2},
                   {.groups = 40, .rows = 1, .width = 24, .to_gap = 72},
                   {.groups = 3, .rows = 2, .width = 10, .to_gap = 4, .add = false},
                   {.groups = 4096, .rows = 3, .width = 1664, .from_gap = 1664, .large = true}});
}

}  // namespace photon::PHOTON_GPU
