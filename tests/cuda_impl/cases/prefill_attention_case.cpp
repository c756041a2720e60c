// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/device/repeated_array.h"
#include "cuda_impl/kernels/prefill_attention.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/attention_backward_host.h"
#include "tests/cuda_impl/cases/attention_host.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  AttentionShape shape;
  int64_t sequences = 1;
  int32_t units = 1;
  VisibleUnits visible;
  bool large = false;
  bool kept = false;  ///< what the backward pass needs
};

std::string name_of(const Parameters& p) {
  return fmt::format("sequences={} units={} heads={} kv_heads={} head_size={} window={} block={}{}",
                     p.sequences, p.units, p.shape.heads, p.shape.kv_heads, p.shape.head_size,
                     p.visible.window, p.visible.block, p.kept ? " kept" : "");
}

class PrefillAttentionCase : public OpCase {
 public:
  PrefillAttentionCase(const Parameters& p, uint64_t seed)
      : p_(p),
        qkv_(rows() * static_cast<size_t>(p.shape.packed_width()), seed),
        out_(rows() * static_cast<size_t>(p.shape.width())),
        lse_(rows() * static_cast<size_t>(p.shape.heads)) {
    op_ = {
        p.shape, qkv_.data(), out_.data(), p.sequences, p.units, p.visible, p.kept ? lse_.data() : nullptr};
    out_.poison();
    lse_.poison();
  }

  void launch(Stream& stream) override { prefill_attention(stream, op_); }
  Work work() const override { return prefill_attention_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result{"out", {}, {}, {}};
    OpOutput sums{"lse", {}, {}, {}, Precision::float32};
    const std::vector<bf16> out = out_.read();
    const std::vector<float> lse = lse_.read();
    // Of large cases the first and last sequence, one head, some units.
    const int64_t sequence_step = p_.large ? std::max<int64_t>(1, p_.sequences - 1) : 1;
    const int32_t head_step = p_.large ? p_.shape.heads : 1;
    const int32_t unit_step = p_.large ? 61 : 1;
    for (int64_t s = 0; s < p_.sequences; s += sequence_step) {
      for (int32_t head = 0; head < p_.shape.heads; head += head_step) {
        for (int32_t unit = 0; unit < p_.units; unit += unit_step) {
          const std::vector<float> naive = attended<float>(s, head, unit);
          const std::vector<double> exact = attended<double>(s, head, unit);
          const auto at =
              static_cast<size_t>((s * p_.units + unit) * p_.shape.width() + head * p_.shape.head_size);
          for (size_t i = 0; i < naive.size(); ++i) {
            result.fast.push_back(static_cast<double>(to_float(out[at + i])));
            result.naive.push_back(static_cast<double>(to_float(to_bf16(naive[i]))));
            result.exact.push_back(exact[i]);
          }
          if (!p_.kept) continue;
          sums.fast.push_back(
              static_cast<double>(lse[static_cast<size_t>((s * p_.shape.heads + head) * p_.units + unit)]));
          sums.naive.push_back(static_cast<double>(log_sum<float>(scores<float>(s, head, unit))));
          const std::vector<double> of_keys = scores<double>(s, head, unit);
          sums.exact.push_back(log_sum<double>(of_keys));
          // Products are rounded before they are scaled.
          for (const double score : of_keys) {
            sums.magnitude = std::max(sums.magnitude, std::abs(score) * std::sqrt(p_.shape.head_size));
          }
        }
      }
    }
    return {result, sums};
  }

 private:
  size_t rows() const { return static_cast<size_t>(p_.sequences * p_.units); }

  /// Heads' rows beginning at column `begin` of units [first, end) of a sequence.
  template <class S>
  std::vector<S> values(int64_t sequence, int32_t first, int32_t end, int32_t begin) const {
    std::vector<S> out;
    for (int32_t unit = first; unit < end; ++unit) {
      const auto at = static_cast<size_t>((sequence * p_.units + unit) * p_.shape.packed_width() + begin);
      for (size_t i = 0; i < static_cast<size_t>(p_.shape.head_size); ++i) {
        out.push_back(static_cast<S>(qkv_[at + i]));
      }
    }
    return out;
  }

  template <class S>
  std::vector<S> attended(int64_t sequence, int32_t head, int32_t unit) const {
    const int32_t size = p_.shape.head_size;
    const int32_t k_begin = p_.shape.width() + head * p_.shape.kv_heads / p_.shape.heads * size;
    const int32_t first = p_.visible.first(unit);
    const auto query = values<S>(sequence, unit, unit + 1, head * size);
    const auto keys = values<S>(sequence, first, unit + 1, k_begin);
    const auto seen = values<S>(sequence, first, unit + 1, k_begin + p_.shape.kv_width());
    return attend<S>(query, keys, seen);
  }

  template <class S>
  std::vector<S> scores(int64_t sequence, int32_t head, int32_t unit) const {
    const int32_t size = p_.shape.head_size;
    const int32_t k_begin = p_.shape.width() + head * p_.shape.kv_heads / p_.shape.heads * size;
    return attention_scores<S>(values<S>(sequence, unit, unit + 1, head * size),
                               values<S>(sequence, p_.visible.first(unit), unit + 1, k_begin));
  }

  Parameters p_;
  RepeatedValues qkv_;
  DeviceArray<bf16> out_;
  DeviceArray<float> lse_;
  PrefillAttention op_;
};

}  // namespace

void add_prefill_attention_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {{1, 1, 2}, 1, 1, {}},
      {{1, 1, 10}, 2, 7, {}},
      {{2, 1, 10}, 1, 70, {}},
      {{3, 3, 52}, 2, 33, {}},
      {{3, 3, 52}, 1, 140, {}},
      {{4, 1, 52}, 2, 65, {}},
      {{3, 3, 56}, 1, 130, {}},
      {{2, 2, 60}, 2, 67, {}},
      {{2, 2, 64}, 1, 129, {}},
      {{4, 2, 64}, 3, 5, {}},
      {{1, 1, 66}, 1, 70, {}},
      {{1, 1, 126}, 2, 5, {}},
      {{2, 1, 80}, 1, 67, {}},
      {{1, 1, 128}, 2, 130, {}},
      {{1, 1, 132}, 1, 20, {}},
      {{2, 1, 134}, 1, 20, {}},
      {{1, 1, 256}, 2, 17, {.window = 6}},
      {{2, 2, 52}, 2, 150, {.window = 1}},
      {{2, 2, 52}, 1, 200, {.window = 5}},
      {{2, 2, 60}, 1, 200, {.window = 100}},
      {{1, 1, 128}, 1, 100, {.window = 70}},
      {{2, 2, 52}, 1, 150, {.window = 0, .block = 4}},
      {{2, 2, 64}, 2, 60, {.window = 0, .block = 7}},
      {{1, 1, 52}, 1, 200, {.window = 0, .block = 100}},
      {{1, 1, 200}, 1, 20, {.window = 0, .block = 7}},
      {{2, 2, 10}, 2, 7, {}, false, true},
      {{4, 2, 52}, 2, 140, {}, false, true},
      {{1, 1, 60}, 1, 200, {.window = 70}, false, true},
      {{2, 1, 64}, 1, 60, {.window = 0, .block = 7}, false, true},
      {{1, 1, 128}, 1, 150, {}, false, true},
      {{2, 1, 134}, 2, 20, {.window = 6}, false, true},
      {{32, 32, 52}, 64, 128, {}, true},
      {{32, 32, 52}, 2048, 128, {}, true},
      {{32, 32, 52}, 2048, 32, {}, true},
      {{32, 32, 52}, 2048, 8, {}, true},
      {{32, 32, 52}, 1, 2048, {}, true},
      {{32, 32, 52}, 64, 2048, {}, true},
      {{32, 32, 52}, 64, 512, {}, true},
      {{32, 32, 52}, 16, 2048, {}, true, true},
      {{32, 32, 56}, 64, 2048, {}, true},
      {{32, 32, 60}, 64, 2048, {}, true},
      {{16, 16, 128}, 64, 2048, {}, true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"prefill_attention", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<PrefillAttentionCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
