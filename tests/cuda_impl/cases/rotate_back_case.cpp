// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/rotate_back.h"
#include "cuda_impl/model/rotations.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/attention_backward_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  AttentionShape shape;
  int64_t sequences = 1;
  int32_t units = 1;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("sequences={} units={} heads={} kv_heads={} head_size={}", p.sequences, p.units,
                     p.shape.heads, p.shape.kv_heads, p.shape.head_size);
}

class RotateBackCase : public OpCase {
 public:
  RotateBackCase(const Parameters& p, uint64_t seed)
      : p_(p),
        table_(rotation_table(p.units, p.shape.head_size, 10000.0)),
        rotations_(table_),
        d_qkv_(static_cast<size_t>(p.sequences * p.units * p.shape.packed_width()), seed) {
    op_ = {p.shape, d_qkv_.data(), rotations_.data(), p.sequences, p.units};
  }

  void launch(Stream& stream) override { rotate_back(stream, op_); }
  Work work() const override { return rotate_back_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput turned{"turned", {}, {}, {}};
    Untouched<bf16> values(d_qkv_);
    const std::vector<bf16> d_qkv = d_qkv_.read();
    const auto size = static_cast<size_t>(p_.shape.head_size);
    const auto heads = static_cast<size_t>(p_.shape.heads + p_.shape.kv_heads);
    const int64_t rows = p_.sequences * p_.units;
    const int64_t step = check_step(rows, most_rows_checked);
    for (int64_t row = 0; row < rows; ++row) {
      const auto packed = static_cast<size_t>(row * p_.shape.packed_width());
      values.touch(packed, heads * size);
      for (size_t h = 0; row % step == 0 && h < heads; ++h) {
        const size_t head = packed + h * size;
        const std::vector<float> naive = back<float>(head, row % p_.units);
        const std::vector<double> exact = back<double>(head, row % p_.units);
        for (size_t i = 0; i < size; ++i) add_rounded(turned, d_qkv[head + i], naive[i], exact[i]);
      }
    }
    const OpOutput rest = values.output("values", d_qkv);
    d_qkv_.restore();
    return {turned, rest};
  }

 private:
  static constexpr int64_t most_rows_checked = 128;

  template <class S>
  std::vector<S> back(size_t head, int64_t unit) const {
    const auto size = static_cast<size_t>(p_.shape.head_size);
    std::vector<S> out;
    for (size_t i = 0; i < size; ++i) out.push_back(static_cast<S>(d_qkv_[head + i]));
    turn_head(out.data(), size, table_.data() + static_cast<size_t>(unit) * size, true);
    return out;
  }

  Parameters p_;
  std::vector<float> table_;
  DeviceArray<float> rotations_;
  RepeatedValues d_qkv_;
  RotateBack op_;
};

}  // namespace

void add_rotate_back_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {{1, 1, 2}, 1, 1},
      {{2, 1, 10}, 3, 4},
      {{3, 3, 52}, 2, 5},
      {{4, 1, 26}, 5, 3},
      {{4, 2, 24}, 2, 7},
      {{2, 2, 60}, 1, 9},
      {{1, 1, 64}, 3, 2},
      {{2, 1, 100}, 1, 3},
      {{9, 3, 128}, 2, 2},
      {{1, 1, 200}, 2, 3},
      {{1, 1, 250}, 2, 3},
      {{32, 32, 52}, 8, 2048, true},
      {{32, 32, 60}, 64, 512, true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"rotate_back", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<RotateBackCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
