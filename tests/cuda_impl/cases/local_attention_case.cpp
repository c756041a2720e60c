// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/device/repeated_array.h"
#include "cuda_impl/kernels/local_attention.h"
#include "cuda_impl/model/rotations.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/attention_host.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  AttentionShape shape;
  int64_t chunks = 1;
  int32_t window = 1;
  int32_t length = 0;
  int32_t rows = 1;
  bool cached = true;  ///< there is a cache to append to
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("chunks={} heads={} kv_heads={} head_size={} window={} length={} rows={}{}", p.chunks,
                     p.shape.heads, p.shape.kv_heads, p.shape.head_size, p.window, p.length, p.rows,
                     p.cached ? "" : " uncached");
}

class LocalAttentionCase : public OpCase {
 public:
  LocalAttentionCase(const Parameters& p, uint64_t seed)
      : p_(p),
        table_(rotation_table(p.length + p.rows, p.shape.head_size, 10000.0)),
        rotations_(table_),
        qkv_(count(p.rows) * static_cast<size_t>(p.shape.packed_width()), seed),
        k_(cache_size(), seed + 1),
        v_(cache_size(), seed + 2),
        out_(count(p.rows) * static_cast<size_t>(p.shape.width())) {
    op_.shape = p.shape;
    op_.qkv = qkv_.data();
    op_.rotations = rotations_.data();
    op_.k = p.cached ? k_.data() : nullptr;
    op_.v = p.cached ? v_.data() : nullptr;
    op_.out = out_.data();
    op_.chunks = p.chunks;
    op_.window = p.window;
    op_.length = p.length;
    op_.rows = p.rows;
    out_.poison();
    if (p.cached && !p.large) poison_new_rows();
  }

  void launch(Stream& stream) override { local_attention(stream, op_); }
  Work work() const override { return local_attention_work(op_); }

  std::vector<OpOutput> outputs() override {
    std::vector<OpOutput> outputs = {{"out", {}, {}, {}}};
    const bool cache_checked = p_.cached && !p_.large;
    if (cache_checked) {
      outputs.push_back({"k", {}, {}, {}});
      outputs.push_back({"v", {}, {}, {}});
    }
    const std::vector<bf16> out = out_.read();
    const int64_t step = std::max<int64_t>(1, p_.chunks / most_chunks_checked);
    for (int64_t chunk = 0; chunk < p_.chunks; chunk += step) {
      for (int32_t head = 0; head < p_.shape.heads; ++head) {
        const std::vector<float> naive = attended<float>(chunk, head);
        const std::vector<double> exact = attended<double>(chunk, head);
        for (int32_t r = 0; r < p_.rows; ++r) {
          for (int32_t i = 0; i < p_.shape.head_size; ++i) {
            const auto at =
                static_cast<size_t>((chunk * p_.rows + r) * p_.shape.width() + head * p_.shape.head_size + i);
            const auto here = static_cast<size_t>(r * p_.shape.head_size + i);
            outputs[0].fast.push_back(static_cast<double>(to_float(out[at])));
            outputs[0].naive.push_back(static_cast<double>(to_float(to_bf16(naive[here]))));
            outputs[0].exact.push_back(exact[here]);
          }
        }
      }
    }
    if (cache_checked) add_cache(outputs);
    return outputs;
  }

 private:
  static constexpr int64_t most_chunks_checked = 16;

  size_t count(int32_t rows) const { return static_cast<size_t>(p_.chunks * rows); }
  size_t cache_size() const {
    return p_.cached ? count(p_.window) * static_cast<size_t>(p_.shape.kv_width()) : 1;
  }
  size_t in_cache(int64_t chunk, int32_t kv_head, int32_t row) const {
    return static_cast<size_t>(((chunk * p_.shape.kv_heads + kv_head) * p_.window + row) *
                               p_.shape.head_size);
  }

  void poison_new_rows() const {
    for (bf16* cache : {k_.data(), v_.data()}) {
      for (int64_t chunk = 0; chunk < p_.chunks; ++chunk) {
        for (int32_t head = 0; head < p_.shape.kv_heads; ++head) {
          const size_t bytes =
              static_cast<size_t>((p_.window - p_.length) * p_.shape.head_size) * sizeof(bf16);
          check(cudaMemset(cache + in_cache(chunk, head, p_.length), 0xff, bytes), "cudaMemset");
        }
      }
    }
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // the launch's stream does not wait for these
  }

  /// Element i of a row of `head_begin` in the packed rows, turned.
  template <class S>
  S turned(int64_t row, int32_t head_begin, int32_t position, int32_t i) const {
    const int32_t half = p_.shape.head_size / 2;
    const auto at = static_cast<size_t>(row * p_.shape.packed_width() + head_begin);
    const int32_t j = i % half;
    const auto angle = static_cast<size_t>(2 * (position * half + j));
    const auto c = static_cast<S>(table_[angle]);
    const auto s = static_cast<S>(table_[angle + 1]);
    const auto x = static_cast<S>(qkv_[at + static_cast<size_t>(j)]);
    const auto y = static_cast<S>(qkv_[at + static_cast<size_t>(j + half)]);
    return i < half ? x * c - y * s : y * c + x * s;
  }
  /// What the softmax sees: a key is rounded when it is made.
  template <class S>
  S key(int64_t chunk, int32_t kv_head, int32_t position, int32_t i) const {
    if (position < p_.length)
      return static_cast<S>(k_[in_cache(chunk, kv_head, position) + static_cast<size_t>(i)]);
    const int64_t row = chunk * p_.rows + position - p_.length;
    const S exact = turned<S>(row, p_.shape.width() + kv_head * p_.shape.head_size, position, i);
    return static_cast<S>(to_float(to_bf16(static_cast<float>(exact))));
  }
  template <class S>
  S value(int64_t chunk, int32_t kv_head, int32_t position, int32_t i) const {
    if (position < p_.length)
      return static_cast<S>(v_[in_cache(chunk, kv_head, position) + static_cast<size_t>(i)]);
    const int64_t row = chunk * p_.rows + position - p_.length;
    return static_cast<S>(qkv_[static_cast<size_t>(row * p_.shape.packed_width() + p_.shape.width() +
                                                   p_.shape.kv_width() + kv_head * p_.shape.head_size + i)]);
  }

  /// (rows, head_size)
  template <class S>
  std::vector<S> attended(int64_t chunk, int32_t head) const {
    const int32_t size = p_.shape.head_size;
    const int32_t kv_head = head * p_.shape.kv_heads / p_.shape.heads;
    std::vector<S> keys;
    std::vector<S> values;
    for (int32_t j = 0; j < p_.length + p_.rows; ++j) {
      for (int32_t i = 0; i < size; ++i) {
        keys.push_back(key<S>(chunk, kv_head, j, i));
        values.push_back(value<S>(chunk, kv_head, j, i));
      }
    }
    std::vector<S> out;
    for (int32_t r = 0; r < p_.rows; ++r) {
      std::vector<S> query;
      for (int32_t i = 0; i < size; ++i) {
        query.push_back(turned<S>(chunk * p_.rows + r, head * size, p_.length + r, i));
      }
      const auto seen = static_cast<size_t>((p_.length + r + 1) * size);
      const std::vector<S> row =
          attend<S>(query, std::span<const S>(keys).first(seen), std::span<const S>(values).first(seen));
      out.insert(out.end(), row.begin(), row.end());
    }
    return out;
  }

  /// Rows of the cache up to the new ones, those as made.
  void add_cache(std::vector<OpOutput>& outputs) const {
    std::vector<bf16> k(k_.size());
    std::vector<bf16> v(v_.size());
    check(cudaMemcpy(k.data(), k_.data(), k.size() * sizeof(bf16), cudaMemcpyDeviceToHost), "cudaMemcpy");
    check(cudaMemcpy(v.data(), v_.data(), v.size() * sizeof(bf16), cudaMemcpyDeviceToHost), "cudaMemcpy");
    for (int64_t chunk = 0; chunk < p_.chunks; ++chunk) {
      for (int32_t head = 0; head < p_.shape.kv_heads; ++head) {
        for (int32_t j = 0; j < p_.length + p_.rows; ++j) {
          for (int32_t i = 0; i < p_.shape.head_size; ++i) {
            const size_t at = in_cache(chunk, head, j) + static_cast<size_t>(i);
            const bool cached = j < p_.length;
            const int64_t row = chunk * p_.rows + j - p_.length;
            const int32_t begin = p_.shape.width() + head * p_.shape.head_size;
            outputs[1].fast.push_back(static_cast<double>(to_float(k[at])));
            outputs[1].naive.push_back(static_cast<double>(key<float>(chunk, head, j, i)));
            outputs[1].exact.push_back(cached ? key<double>(chunk, head, j, i)
                                              : turned<double>(row, begin, j, i));
            outputs[2].fast.push_back(static_cast<double>(to_float(v[at])));
            outputs[2].naive.push_back(value<double>(chunk, head, j, i));
            outputs[2].exact.push_back(value<double>(chunk, head, j, i));
          }
        }
      }
    }
  }

  Parameters p_;
  std::vector<float> table_;
  DeviceArray<float> rotations_;
  RepeatedValues qkv_;
  RepeatedValues k_;
  RepeatedValues v_;
  DeviceArray<bf16> out_;
  LocalAttention op_;
};

}  // namespace

void add_local_attention_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {{1, 1, 2}, 1, 1, 0, 1, false},
      {{1, 1, 10}, 1, 5, 0, 5},
      {{2, 1, 10}, 3, 5, 4, 1},
      {{3, 3, 52}, 5, 5, 0, 2},
      {{4, 4, 52}, 3, 5, 2, 1},
      {{3, 3, 52}, 2, 5, 4, 1},
      {{4, 1, 52}, 3, 8, 5, 3},
      {{3, 3, 56}, 3, 5, 4, 1},
      {{2, 2, 60}, 3, 12, 11, 1},
      {{6, 3, 60}, 2, 7, 3, 2},
      {{2, 1, 64}, 5, 12, 0, 12},
      {{3, 3, 64}, 3, 12, 7, 1},
      {{2, 2, 64}, 2, 40, 0, 40},
      {{2, 2, 32}, 2, 40, 39, 1},
      {{1, 1, 80}, 3, 6, 1, 4},
      {{1, 1, 128}, 2, 7, 6, 1},
      {{2, 1, 128}, 2, 40, 20, 19},
      {{1, 1, 66}, 2, 3, 1, 2},
      {{1, 1, 132}, 2, 5, 2, 2},
      {{1, 1, 134}, 2, 5, 3, 1},
      {{1, 1, 256}, 2, 4, 2, 2},
      {{32, 32, 52}, 2048, 5, 0, 2, true, true},
      {{32, 32, 52}, 2048, 5, 2, 1, true, true},
      {{32, 32, 52}, 2048, 5, 4, 1, true, true},
      {{32, 32, 52}, 64, 5, 4, 1, true, true},
      {{32, 32, 52}, 16384, 5, 4, 1, true, true},
      {{32, 32, 52}, 16384, 5, 0, 5, false, true},
      {{32, 32, 56}, 2048, 5, 4, 1, true, true},
      {{32, 32, 60}, 2048, 5, 4, 1, true, true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"local_attention", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<LocalAttentionCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
