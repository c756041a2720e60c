// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/prefill_attention.h"
#include "cuda_impl/kernels/prefill_attention_backward.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/attention_backward_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  AttentionShape shape;
  int64_t sequences = 1;
  int32_t units = 1;
  VisibleUnits visible;
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("sequences={} units={} heads={} kv_heads={} head_size={} window={} block={}",
                     p.sequences, p.units, p.shape.heads, p.shape.kv_heads, p.shape.head_size,
                     p.visible.window, p.visible.block);
}

class PrefillAttentionBackwardCase : public OpCase {
 public:
  PrefillAttentionBackwardCase(const Parameters& p, uint64_t seed)
      : p_(p),
        qkv_(rows() * static_cast<size_t>(p.shape.packed_width()), seed),
        d_out_(rows() * static_cast<size_t>(p.shape.width()), seed + 1),
        out_(d_out_.size()),
        lse_(rows() * static_cast<size_t>(p.shape.heads)),
        d_qkv_(qkv_.size()),
        workspace_(static_cast<size_t>(prefill_attention_backward_workspace(p.shape, p.sequences, p.units))) {
    op_ = {.shape = p.shape,
           .qkv = qkv_.data(),
           .out = out_.data(),
           .lse = lse_.data(),
           .d_out = d_out_.data(),
           .d_qkv = d_qkv_.data(),
           .workspace = workspace_.data(),
           .sequences = p.sequences,
           .units = p.units,
           .visible = p.visible};
    Stream stream;
    prefill_attention(stream,
                      {p.shape, qkv_.data(), out_.data(), p.sequences, p.units, p.visible, lse_.data()});
    stream.synchronize();
    host_out_ = out_.read();
    host_lse_ = lse_.read();
    d_qkv_.poison();
    workspace_.poison();
  }

  void launch(Stream& stream) override { prefill_attention_backward(stream, op_); }
  Work work() const override { return prefill_attention_backward_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput d_q{"d_q", {}, {}, {}};
    OpOutput d_k{"d_k", {}, {}, {}};
    OpOutput d_v{"d_v", {}, {}, {}};
    const std::vector<bf16> d_qkv = d_qkv_.read();
    // Of large cases the first and last sequence, one head, some units.
    const int64_t sequence_step = p_.large ? std::max<int64_t>(1, p_.sequences - 1) : 1;
    const int32_t head_step = p_.large ? p_.shape.heads : 1;
    const int32_t unit_step = p_.large ? 61 : 1;
    for (int64_t s = 0; s < p_.sequences; s += sequence_step) {
      for (int32_t unit = 0; unit < p_.units; unit += unit_step) {
        for (int32_t head = 0; head < p_.shape.heads; head += head_step) {
          add(d_q, d_qkv, s, unit, head * p_.shape.head_size, of_query<float>(s, head, unit),
              of_query<double>(s, head, unit));
        }
        for (int32_t head = 0; head < p_.shape.kv_heads; head += head_step) {
          const auto [naive_k, naive_v] = of_key<float>(s, head, unit);
          const auto [exact_k, exact_v] = of_key<double>(s, head, unit);
          add(d_k, d_qkv, s, unit, k_begin(head), naive_k, exact_k);
          add(d_v, d_qkv, s, unit, v_begin(head), naive_v, exact_v);
        }
      }
    }
    return {d_q, d_k, d_v};
  }

 private:
  size_t rows() const { return static_cast<size_t>(p_.sequences * p_.units); }
  int32_t group() const { return p_.shape.heads / p_.shape.kv_heads; }
  int32_t k_begin(int32_t kv_head) const { return p_.shape.width() + kv_head * p_.shape.head_size; }
  int32_t v_begin(int32_t kv_head) const { return k_begin(kv_head) + p_.shape.kv_width(); }

  /// A head's row of gradients, which begins at `column`.
  void add(OpOutput& to, const std::vector<bf16>& d_qkv, int64_t sequence, int32_t unit, int32_t column,
           const std::vector<float>& naive, const std::vector<double>& exact) const {
    const auto at = static_cast<size_t>((sequence * p_.units + unit) * p_.shape.packed_width() + column);
    for (size_t i = 0; i < exact.size(); ++i) add_rounded(to, d_qkv[at + i], naive[i], exact[i]);
  }

  /// Heads' rows beginning at column `begin` of units [first, end) of a sequence, of an array of rows as wide
  /// as `width`.
  template <class S, class Array>
  std::vector<S> values(const Array& array, int32_t width, int64_t sequence, int32_t first, int32_t end,
                        int32_t begin) const {
    std::vector<S> out;
    for (int32_t unit = first; unit < end; ++unit) {
      const auto at = static_cast<size_t>((sequence * p_.units + unit) * width + begin);
      for (size_t i = at; i < at + static_cast<size_t>(p_.shape.head_size); ++i) {
        out.push_back(static_cast<S>(number(array_value(array, i))));
      }
    }
    return out;
  }
  static bf16 array_value(const RepeatedValues& array, size_t i) { return array.value(i); }
  static bf16 array_value(const std::vector<bf16>& array, size_t i) { return array[i]; }
  template <class S>
  std::vector<S> packed(int64_t sequence, int32_t first, int32_t end, int32_t begin) const {
    return values<S>(qkv_, p_.shape.packed_width(), sequence, first, end, begin);
  }

  /// A query with what the forward pass left of it.
  template <class S>
  struct Query {
    std::vector<S> q;
    std::vector<S> d_out;
    S lse;
    S mean;  ///< inner product of d_out and out
  };
  template <class S>
  Query<S> query(int64_t sequence, int32_t head, int32_t unit) const {
    const int32_t begin = head * p_.shape.head_size;
    const int32_t width = p_.shape.width();
    const auto out = values<S>(host_out_, width, sequence, unit, unit + 1, begin);
    Query<S> query{packed<S>(sequence, unit, unit + 1, begin),
                   values<S>(d_out_, width, sequence, unit, unit + 1, begin), S{0}, S{0}};
    query.mean = inner<S>(query.d_out, out.data());
    query.lse =
        static_cast<S>(host_lse_[static_cast<size_t>((sequence * p_.shape.heads + head) * p_.units + unit)]);
    return query;
  }

  template <class S>
  std::vector<S> of_query(int64_t sequence, int32_t head, int32_t unit) const {
    const Query<S> one = query<S>(sequence, head, unit);
    const int32_t first = p_.visible.first(unit);
    const auto k = packed<S>(sequence, first, unit + 1, k_begin(head / group()));
    const auto v = packed<S>(sequence, first, unit + 1, v_begin(head / group()));
    std::vector<S> weights = attention_scores<S>(one.q, k);
    for (S& w : weights) w = std::exp(w - one.lse);
    std::vector<S> d_q(one.q.size(), S{0});
    add_attention_gradients<S>(one.q, k, v, one.d_out, weights, one.mean, d_q.data(), nullptr, nullptr);
    return d_q;
  }

  /// Gradients of a key and its value.
  template <class S>
  std::pair<std::vector<S>, std::vector<S>> of_key(int64_t sequence, int32_t kv_head, int32_t key) const {
    const auto k = packed<S>(sequence, key, key + 1, k_begin(kv_head));
    const auto v = packed<S>(sequence, key, key + 1, v_begin(kv_head));
    std::vector<S> d_k(k.size(), S{0});
    std::vector<S> d_v(k.size(), S{0});
    for (int32_t head = kv_head * group(); head < (kv_head + 1) * group(); ++head) {
      for (int32_t unit = key; unit < p_.units && p_.visible.first(unit) <= key; ++unit) {
        const Query<S> one = query<S>(sequence, head, unit);
        const std::vector<S> weight = {std::exp(attention_scores<S>(one.q, k)[0] - one.lse)};
        add_attention_gradients<S>(one.q, k, v, one.d_out, weight, one.mean, nullptr, d_k.data(), d_v.data());
      }
    }
    return {d_k, d_v};
  }

  Parameters p_;
  RepeatedValues qkv_;
  RepeatedValues d_out_;
  DeviceArray<bf16> out_;
  DeviceArray<float> lse_;
  DeviceArray<bf16> d_qkv_;
  DeviceArray<float> workspace_;
  std::vector<bf16> host_out_;
  std::vector<float> host_lse_;
  PrefillAttentionBackward op_;
};

}  // namespace

void add_prefill_attention_backward_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {{1, 1, 2}, 1, 2, {}},
      {{1, 1, 10}, 2, 7, {}},
      {{2, 1, 10}, 1, 70, {}},
      {{3, 3, 52}, 2, 33, {}},
      {{2, 2, 52}, 1, 140, {}},
      {{4, 1, 52}, 2, 65, {}},
      {{2, 2, 56}, 1, 130, {}},
      {{2, 2, 60}, 2, 67, {}},
      {{1, 1, 64}, 1, 129, {}},
      {{4, 2, 64}, 3, 5, {}},
      {{1, 1, 66}, 1, 70, {}},
      {{1, 1, 126}, 2, 5, {}},
      {{2, 1, 80}, 1, 67, {}},
      {{1, 1, 128}, 1, 100, {}},
      {{1, 1, 132}, 1, 20, {}},
      {{2, 1, 134}, 1, 20, {}},
      {{1, 1, 256}, 2, 17, {.window = 6}},
      {{2, 2, 52}, 2, 150, {.window = 2}},
      {{2, 1, 52}, 1, 200, {.window = 5}},
      {{1, 1, 60}, 1, 200, {.window = 100}},
      {{1, 1, 128}, 1, 100, {.window = 70}},
      {{2, 2, 52}, 1, 150, {.window = 0, .block = 4}},
      {{2, 1, 64}, 2, 60, {.window = 0, .block = 7}},
      {{1, 1, 52}, 1, 200, {.window = 0, .block = 100}},
      {{1, 1, 200}, 1, 20, {.window = 0, .block = 7}},
      {{32, 32, 52}, 8, 2048, {}, true},
      {{32, 32, 52}, 64, 128, {}, true},
      {{32, 32, 52}, 64, 512, {}, true},
      {{32, 32, 56}, 8, 2048, {}, true},
      {{32, 32, 60}, 8, 2048, {}, true},
      {{32, 8, 64}, 8, 2048, {}, true},
      {{16, 16, 128}, 8, 2048, {}, true},
      {{32, 32, 52}, 8, 2048, {.window = 256}, true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"prefill_attention_backward", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<PrefillAttentionBackwardCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
