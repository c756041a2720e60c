// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/local_attention_backward.h"
#include "cuda_impl/model/rotations.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/attention_backward_host.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  AttentionShape shape;
  int64_t chunks = 1;
  int32_t window = 1;
  int32_t length = 0;
  int32_t rows = 1;
  bool part = true;  ///< of a window made in parts: there are a cache and sums
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("chunks={} heads={} kv_heads={} head_size={} window={} length={} rows={}{}", p.chunks,
                     p.shape.heads, p.shape.kv_heads, p.shape.head_size, p.window, p.length, p.rows,
                     p.part ? "" : " whole");
}

/// Of one (chunk, head of keys): what the launch leaves.
template <class S>
struct Gradients {
  std::vector<S> q;      ///< (rows, query heads, head_size), of the rows before rotation
  std::vector<S> k;      ///< (length, head_size), sums
  std::vector<S> v;      ///< the same
  std::vector<S> new_k;  ///< (rows, head_size), of the rows before rotation
  std::vector<S> new_v;  ///< the same
  S largest = 0;         ///< product on the way: of queries and keys, of gradients and values
};

class LocalAttentionBackwardCase : public OpCase {
 public:
  LocalAttentionBackwardCase(const Parameters& p, uint64_t seed)
      : p_(p),
        table_(rotation_table(keys(), p.shape.head_size, 10000.0)),
        rotations_(table_),
        qkv_(count(p.rows) * static_cast<size_t>(p.shape.packed_width()), seed),
        k_(cache_size(), seed + 1),
        v_(cache_size(), seed + 2),
        d_out_(count(p.rows) * static_cast<size_t>(p.shape.width()), seed + 3),
        d_k_(cache_size(), seed + 4),
        d_v_(cache_size(), seed + 5),
        d_qkv_(qkv_.size()) {
    op_ = {.shape = p.shape,
           .qkv = qkv_.data(),
           .rotations = rotations_.data(),
           .k = p.part ? k_.data() : nullptr,
           .v = p.part ? v_.data() : nullptr,
           .d_out = d_out_.data(),
           .d_qkv = d_qkv_.data(),
           .d_k = p.part ? d_k_.data() : nullptr,
           .d_v = p.part ? d_v_.data() : nullptr,
           .chunks = p.chunks,
           .window = p.window,
           .length = p.length,
           .rows = p.rows};
    d_qkv_.poison();
  }

  void launch(Stream& stream) override { local_attention_backward(stream, op_); }
  Work work() const override { return local_attention_backward_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput q{"d_q", {}, {}, {}};
    OpOutput new_k{"d_k", {}, {}, {}};
    OpOutput new_v{"d_v", {}, {}, {}};
    OpOutput k{"sums of k", {}, {}, {}, Precision::float32};
    OpOutput v{"sums of v", {}, {}, {}, Precision::float32};
    Untouched<float> rest_of_k(d_k_);
    Untouched<float> rest_of_v(d_v_);
    const std::vector<bf16> d_qkv = d_qkv_.read();
    const std::vector<float> d_k = d_k_.read();
    const std::vector<float> d_v = d_v_.read();
    const auto size = static_cast<size_t>(p_.shape.head_size);
    const auto group = static_cast<size_t>(p_.shape.heads / p_.shape.kv_heads);
    const int64_t step = check_step(p_.chunks, most_chunks_checked);
    for (int64_t chunk = 0; chunk < p_.chunks; ++chunk) {
      for (int32_t head = 0; head < p_.shape.kv_heads; ++head) {
        const size_t cached = in_cache(chunk, head, 0);
        rest_of_k.touch(p_.part ? cached : 0, p_.part ? static_cast<size_t>(p_.length) * size : 0);
        rest_of_v.touch(p_.part ? cached : 0, p_.part ? static_cast<size_t>(p_.length) * size : 0);
        if (chunk % step != 0) continue;
        const Gradients<float> naive = gradients<float>(chunk, head);
        const Gradients<double> exact = gradients<double>(chunk, head);
        k.magnitude = v.magnitude = std::max(k.magnitude, exact.largest);
        for (size_t i = 0; i < exact.k.size(); ++i) {
          add_float(k, d_k[cached + i], naive.k[i], exact.k[i]);
          add_float(v, d_v[cached + i], naive.v[i], exact.v[i]);
        }
        for (int32_t r = 0; r < p_.rows; ++r) {
          const size_t row = packed(chunk, r);
          const size_t in_q = static_cast<size_t>(r) * group * size;
          const size_t in_k = static_cast<size_t>(r) * size;
          for (size_t i = 0; i < group * size; ++i) {
            add_rounded(q, d_qkv[row + static_cast<size_t>(head) * group * size + i], naive.q[in_q + i],
                        exact.q[in_q + i]);
          }
          for (size_t i = 0; i < size; ++i) {
            add_rounded(new_k, d_qkv[row + k_begin(head) + i], naive.new_k[in_k + i], exact.new_k[in_k + i]);
            add_rounded(new_v, d_qkv[row + v_begin(head) + i], naive.new_v[in_k + i], exact.new_v[in_k + i]);
          }
        }
      }
    }
    std::vector<OpOutput> outputs = {q, new_k, new_v, k, v};
    outputs.push_back(rest_of_k.output("rest of the sums of k", d_k));
    outputs.push_back(rest_of_v.output("rest of the sums of v", d_v));
    d_k_.restore();
    d_v_.restore();
    return outputs;
  }

 private:
  static constexpr int64_t most_chunks_checked = 16;

  int32_t keys() const { return p_.length + p_.rows; }
  size_t count(int32_t rows) const { return static_cast<size_t>(p_.chunks * rows); }
  size_t cache_size() const {
    return p_.part ? count(p_.window) * static_cast<size_t>(p_.shape.kv_width()) : 1;
  }
  size_t in_cache(int64_t chunk, int32_t kv_head, int32_t row) const {
    return static_cast<size_t>(((chunk * p_.shape.kv_heads + kv_head) * p_.window + row) *
                               p_.shape.head_size);
  }
  size_t packed(int64_t chunk, int32_t r) const {
    return static_cast<size_t>((chunk * p_.rows + r) * p_.shape.packed_width());
  }
  size_t k_begin(int32_t kv_head) const {
    return static_cast<size_t>(p_.shape.width() + kv_head * p_.shape.head_size);
  }
  size_t v_begin(int32_t kv_head) const {
    return k_begin(kv_head) + static_cast<size_t>(p_.shape.kv_width());
  }
  const float* angles(int32_t position) const {
    return table_.data() + static_cast<size_t>(position) * static_cast<size_t>(p_.shape.head_size);
  }

  static void add_float(OpOutput& to, float fast, float naive, double exact) {
    to.fast.push_back(number(fast));
    to.naive.push_back(number(naive));
    to.exact.push_back(exact);
  }

  /// The `size` numbers from `begin` on.
  template <class S, class T>
  static std::vector<S> slice(const RepeatedArray<T>& from, size_t begin, size_t size) {
    std::vector<S> out(size);
    for (size_t i = 0; i < size; ++i) out[i] = static_cast<S>(from[begin + i]);
    return out;
  }

  template <class S>
  Gradients<S> gradients(int64_t chunk, int32_t kv_head) const {
    const auto size = static_cast<size_t>(p_.shape.head_size);
    const auto length = static_cast<size_t>(p_.length);
    const int32_t group = p_.shape.heads / p_.shape.kv_heads;
    const size_t cached = in_cache(chunk, kv_head, 0);
    const size_t seen_by_all = static_cast<size_t>(keys()) * size;
    std::vector<S> k = p_.part ? slice<S>(k_, cached, seen_by_all) : std::vector<S>{};
    std::vector<S> v = p_.part ? slice<S>(v_, cached, seen_by_all) : std::vector<S>{};
    for (int32_t r = 0; !p_.part && r < p_.rows; ++r) {
      std::vector<S> row = slice<S>(qkv_, packed(chunk, r) + k_begin(kv_head), size);
      turn_head(row.data(), size, angles(r));
      // What the softmax sees: a key is rounded when it is made.
      for (S& x : row) x = static_cast<S>(to_float(to_bf16(static_cast<float>(x))));
      k.insert(k.end(), row.begin(), row.end());
      const std::vector<S> value = slice<S>(qkv_, packed(chunk, r) + v_begin(kv_head), size);
      v.insert(v.end(), value.begin(), value.end());
    }
    std::vector<S> d_k(k.size(), S{0});
    std::vector<S> d_v(k.size(), S{0});
    if (p_.part) {
      d_k = slice<S>(d_k_, cached, k.size());
      d_v = slice<S>(d_v_, cached, k.size());
    }
    Gradients<S> out;
    for (int32_t r = 0; r < p_.rows; ++r) {
      for (int32_t g = 0; g < group; ++g) {
        const size_t begin = static_cast<size_t>(kv_head * group + g) * size;
        std::vector<S> query = slice<S>(qkv_, packed(chunk, r) + begin, size);
        turn_head(query.data(), size, angles(p_.length + r));
        const auto row = static_cast<size_t>(chunk * p_.rows + r) * static_cast<size_t>(p_.shape.width());
        const std::vector<S> d_out = slice<S>(d_out_, row + begin, size);
        std::vector<S> d_query(size, S{0});
        const size_t seen = (length + static_cast<size_t>(r) + 1) * size;
        add_attention_gradients<S>(query, std::span<const S>(k).first(seen),
                                   std::span<const S>(v).first(seen), d_out, d_query.data(), d_k.data(),
                                   d_v.data());
        for (size_t at = 0; at < seen; at += size) {
          out.largest = std::max({out.largest, std::abs(inner<S>(query, k.data() + at)),
                                  std::abs(inner<S>(d_out, v.data() + at))});
        }
        turn_head(d_query.data(), size, angles(p_.length + r), true);
        out.q.insert(out.q.end(), d_query.begin(), d_query.end());
      }
    }
    const auto own = static_cast<std::ptrdiff_t>(length * size);
    out.k.assign(d_k.begin(), d_k.begin() + own);
    out.v.assign(d_v.begin(), d_v.begin() + own);
    out.new_k.assign(d_k.begin() + own, d_k.end());
    out.new_v.assign(d_v.begin() + own, d_v.end());
    for (int32_t r = 0; r < p_.rows; ++r) {
      turn_head(out.new_k.data() + static_cast<size_t>(r) * size, size, angles(p_.length + r), true);
    }
    return out;
  }

  Parameters p_;
  std::vector<float> table_;
  DeviceArray<float> rotations_;
  RepeatedValues qkv_;
  RepeatedValues k_;
  RepeatedValues v_;
  RepeatedValues d_out_;
  RepeatedArray<float> d_k_;
  RepeatedArray<float> d_v_;
  DeviceArray<bf16> d_qkv_;
  LocalAttentionBackward op_;
};

}  // namespace

void add_local_attention_backward_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {{1, 1, 2}, 1, 1, 0, 1, false},
      {{1, 1, 10}, 1, 5, 0, 5, false},
      {{2, 1, 10}, 3, 5, 4, 1},
      {{3, 3, 52}, 5, 5, 0, 5, false},
      {{3, 3, 52}, 2, 5, 0, 2},
      {{4, 4, 52}, 3, 5, 2, 1},
      {{3, 3, 52}, 2, 7, 0, 7, false},
      {{4, 1, 52}, 3, 8, 5, 3},
      {{2, 2, 56}, 3, 5, 0, 5, false},
      {{3, 3, 56}, 3, 8, 4, 1},
      {{6, 2, 60}, 3, 4, 0, 4, false},
      {{6, 3, 60}, 2, 7, 3, 2},
      {{2, 2, 60}, 2, 12, 11, 1},
      {{2, 1, 64}, 5, 12, 0, 12, false},
      {{2, 2, 64}, 1, 64, 0, 64, false},
      {{2, 2, 32}, 2, 40, 39, 1},
      {{1, 1, 66}, 2, 6, 1, 5},
      {{1, 1, 76}, 2, 5, 0, 5, false},
      {{1, 1, 80}, 3, 6, 1, 4},
      {{2, 1, 128}, 2, 20, 10, 9},
      {{1, 1, 132}, 2, 5, 2, 2},
      {{1, 1, 134}, 2, 7, 3, 4},
      {{1, 1, 256}, 2, 4, 2, 2},
      {{1, 1, 250}, 1, 10, 0, 10, false},
      {{32, 32, 52}, 16384, 5, 0, 5, false, true},
      {{32, 32, 52}, 16384, 4, 0, 4, false, true},
      {{32, 32, 52}, 16384, 7, 0, 7, false, true},
      {{32, 32, 52}, 16384, 5, 0, 2, true, true},
      {{32, 32, 52}, 16384, 5, 4, 1, true, true},
      {{32, 32, 56}, 16384, 5, 0, 5, false, true},
      {{32, 32, 60}, 16384, 5, 0, 5, false, true},
      {{32, 32, 52}, 4096, 19, 0, 19, false, true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"local_attention_backward", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<LocalAttentionBackwardCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
