// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <optional>
#include <span>

#include "cuda_impl/device/repeated_array.h"
#include "cuda_impl/kernels/decode_attention.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/attention_host.h"

namespace photon::PHOTON_GPU {
namespace {

/// What the rows of a prompt share.
struct Prefix {
  int32_t samples = 0;  ///< rows of a prompt; 0: there is no prefix
  int32_t units = 0;    ///< of prompt 0; the next ones hold fewer
  int32_t splits = 0;
};

struct Parameters {
  AttentionShape shape;
  int64_t rows = 1;
  int32_t units = 1;
  int32_t grown = 1;  ///< units in a row's own cache, the new ones included; some rows hold fewer
  VisibleUnits visible = {};
  bool whole = false;  ///< the cache keeps what no row sees any more
  int32_t splits = 1;
  Prefix prefix = {};
  bool idle = false;   ///< every third row is
  bool large = false;  ///< of the paper's sizes

  bool ring() const { return !whole && (visible.window > 0 || visible.block > 0); }
};

std::string name_of(const Parameters& p) {
  std::string name =
      fmt::format("rows={} units={} heads={} kv_heads={} head_size={} grown={} splits={}", p.rows, p.units,
                  p.shape.heads, p.shape.kv_heads, p.shape.head_size, p.grown, p.splits);
  if (p.visible.window > 0) name += fmt::format(" window={}", p.visible.window);
  if (p.visible.block > 0) name += fmt::format(" block={}", p.visible.block);
  if (p.ring()) name += " ring";
  if (p.idle) name += " idle";
  if (p.prefix.samples > 0) {
    name += fmt::format(" samples={} shared={} shared_splits={}", p.prefix.samples, p.prefix.units,
                        p.prefix.splits);
  }
  return name;
}

class DecodeAttentionCase : public OpCase {
 public:
  DecodeAttentionCase(const Parameters& p, uint64_t seed) : p_(p), random_(seed) {
    place_rows();
    const int64_t packed = p.shape.packed_width();
    queries_.emplace(static_cast<size_t>(p.rows * p.units * packed), seed + 1);
    own_.emplace(p.rows, capacity(), p, seed + 2);
    out_ = DeviceArray<bf16>(static_cast<size_t>(p.rows * p.units * p.shape.width()));
    out_.poison();
    workspace_ = DeviceArray<float>(
        static_cast<size_t>(decode_attention_workspace(p.shape, p.rows, p.units, p.splits, p.prefix.splits)));
    if (workspace_.size() > 0) workspace_.poison();
    start_ = DeviceArray<int32_t>(starts());
    op_ = {.shape = p.shape,
           .q = queries_->data(),
           .q_stride = packed,
           .cache = own_->view(p.ring()),
           .shared = {},
           .visible = p.visible,
           .position = {start_.data(), tokens_per_unit, offset},
           .out = out_.data(),
           .rows = p.rows,
           .units = p.units,
           .splits = p.splits,
           .shared_splits = p.prefix.splits,
           .workspace = workspace_.data()};
    if (p.prefix.samples > 0) {
      shared_.emplace(prompts(), std::max(p.prefix.units, 1), p, seed + 3);
      shared_first_ = DeviceArray<int32_t>(prompt_first_);
      shared_count_ = DeviceArray<int32_t>(prompt_count_);
      op_.shared = {shared_->view(false), shared_first_.data(), shared_count_.data(), p.prefix.samples};
    }
    if (!p.large) poison_unseen();
    count_traffic();
  }

  void launch(Stream& stream) override { decode_attention(stream, op_, traffic_); }
  Work work() const override { return decode_attention_work(op_, traffic_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result{"out", {}, {}, {}};
    const std::vector<bf16> out = out_.read();
    const int64_t row_step = p_.large ? std::max<int64_t>(1, p_.rows / 3) : 1;
    for (int64_t row = 0; row < p_.rows; row += row_step) {
      for (int32_t i = 0; i < p_.units; ++i) {
        for (int32_t head = 0; head < p_.shape.heads; ++head) {
          const auto at =
              static_cast<size_t>((row * p_.units + i) * p_.shape.width() + head * p_.shape.head_size);
          const std::vector<float> naive = attended<float>(row, i, head);
          const std::vector<double> exact = attended<double>(row, i, head);
          for (size_t e = 0; e < naive.size(); ++e) {
            result.fast.push_back(static_cast<double>(to_float(out[at + e])));
            result.naive.push_back(static_cast<double>(to_float(to_bf16(naive[e]))));
            result.exact.push_back(exact[e]);
          }
        }
      }
    }
    return {result};
  }

 private:
  static constexpr int32_t tokens_per_unit = 4;
  static constexpr int32_t offset = 2;  ///< so no row stands before unit 2

  /// A layer's cache and what it holds.
  struct Cache {
    RepeatedValues k;
    RepeatedValues v;
    int32_t capacity;

    Cache(int64_t sequences, int32_t units, const Parameters& p, uint64_t seed)
        : k(static_cast<size_t>(sequences * units * p.shape.kv_width()), 2 * seed),
          v(k.size(), 2 * seed + 1),
          capacity(units) {}
    CacheView view(bool ring) const { return {k.data(), v.data(), capacity, ring}; }
    size_t row(const Parameters& p, int64_t sequence, int32_t head, int32_t slot) const {
      return static_cast<size_t>(((sequence * p.shape.kv_heads + head) * capacity + slot) *
                                 p.shape.head_size);
    }
    void poison(size_t row, int32_t head_size) const {
      for (bf16* at : {k.data() + row, v.data() + row}) {
        check(cudaMemset(at, 0xff, static_cast<size_t>(head_size) * sizeof(bf16)), "cudaMemset");
      }
      check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // the launch's stream does not wait for these
    }
  };

  int64_t prompts() const {
    return p_.prefix.samples > 0 ? (p_.rows + p_.prefix.samples - 1) / p_.prefix.samples : 0;
  }
  /// A ring holds what a step can see, one unit to spare.
  int32_t capacity() const {
    if (!p_.ring()) return p_.grown;
    return p_.visible.window > 0 ? p_.visible.window + p_.units : p_.visible.block;
  }
  bool idle(int64_t row) const { return p_.idle && row % 3 == 1; }
  int32_t own_first(int64_t row) const {
    if (p_.prefix.samples == 0) return 0;
    const auto prompt = static_cast<size_t>(row / p_.prefix.samples);
    return prompt_first_[prompt] + prompt_count_[prompt];
  }
  int32_t first_seen(int64_t row) const { return p_.visible.first(now_[static_cast<size_t>(row)]); }

  void place_rows() {
    for (int64_t p = 0; p < prompts(); ++p) {
      prompt_count_.push_back(std::max(0, p_.prefix.units - 3 * static_cast<int32_t>(p)));
      // What lies before the window is not kept.
      prompt_first_.push_back(p_.visible.window > 0 ? 5 * static_cast<int32_t>(p) : 0);
    }
    for (int64_t row = 0; row < p_.rows; ++row) {
      const int32_t longest = p_.grown - p_.units;
      const auto draw = static_cast<int32_t>(random_.uniform(1, static_cast<uint64_t>(row)) * (longest + 1));
      int32_t now = own_first(row) + (row == 0 || p_.large ? longest : draw);
      // A step of several units keeps to one block.
      if (p_.visible.block > 0) now -= std::max(0, now % p_.visible.block + p_.units - p_.visible.block);
      now_.push_back(std::max({now, offset, own_first(row)}));
    }
  }
  std::vector<int32_t> starts() const {
    std::vector<int32_t> out;
    for (int64_t row = 0; row < p_.rows; ++row) {
      out.push_back(idle(row) ? -1 : (now_[static_cast<size_t>(row)] - offset) * tokens_per_unit);
    }
    return out;
  }

  void poison_unseen() const {
    for (int64_t row = 0; row < p_.rows; ++row) {
      std::vector<bool> seen(static_cast<size_t>(own_->capacity));
      const int32_t end = now_[static_cast<size_t>(row)] + p_.units;
      for (int32_t unit = std::max(first_seen(row), own_first(row)); unit < end && !idle(row); ++unit) {
        seen[static_cast<size_t>(op_.cache.slot(unit, own_first(row)))] = true;
      }
      for (int32_t head = 0; head < p_.shape.kv_heads; ++head) {
        for (int32_t slot = 0; slot < own_->capacity; ++slot) {
          if (!seen[static_cast<size_t>(slot)])
            own_->poison(own_->row(p_, row, head, slot), p_.shape.head_size);
        }
      }
    }
    for (int64_t prompt = 0; prompt < prompts(); ++prompt) {
      for (int32_t head = 0; head < p_.shape.kv_heads; ++head) {
        for (int32_t slot = prompt_count_[static_cast<size_t>(prompt)]; slot < shared_->capacity; ++slot) {
          shared_->poison(shared_->row(p_, prompt, head, slot), p_.shape.head_size);
        }
      }
    }
  }

  void count_traffic() {
    for (int64_t row = 0; row < p_.rows; ++row) {
      if (idle(row)) continue;
      const int32_t now = now_[static_cast<size_t>(row)];
      for (int32_t unit = now; unit < now + p_.units; ++unit) {
        const int32_t first = p_.visible.first(unit);
        traffic_.pairs += unit + 1 - first;
        traffic_.shared_pairs += std::max(0, own_first(row) - first);
      }
      traffic_.rows_read += now - std::max(first_seen(row), own_first(row));
      traffic_.rows_written += p_.units;
    }
    for (int64_t prompt = 0; prompt < prompts(); ++prompt) {
      int32_t most = 0;
      const int64_t end = std::min(p_.rows, (prompt + 1) * p_.prefix.samples);
      for (int64_t row = prompt * p_.prefix.samples; row < end; ++row) {
        const int32_t first = std::max(first_seen(row), prompt_first_[static_cast<size_t>(prompt)]);
        if (!idle(row)) most = std::max(most, own_first(row) - first);
      }
      traffic_.shared_rows_read += most;
    }
    traffic_.rows_read += traffic_.shared_rows_read;
  }

  template <class S>
  std::vector<S> attended(int64_t row, int32_t i, int32_t head) const {
    const auto size = static_cast<size_t>(p_.shape.head_size);
    if (idle(row)) return std::vector<S>(size, S{0});
    const int32_t kv_head = head * p_.shape.kv_heads / p_.shape.heads;
    const int32_t unit = now_[static_cast<size_t>(row)] + i;
    std::vector<S> query;
    std::vector<S> keys;
    std::vector<S> values;
    const auto q = static_cast<size_t>((row * p_.units + i) * p_.shape.packed_width()) +
                   static_cast<size_t>(head) * size;
    for (size_t e = 0; e < size; ++e) query.push_back(static_cast<S>((*queries_)[q + e]));
    for (int32_t key = p_.visible.first(unit); key <= unit; ++key) {
      const bool in_prefix = key < own_first(row);
      const int64_t prompt = in_prefix ? row / p_.prefix.samples : 0;
      if (in_prefix && key < prompt_first_[static_cast<size_t>(prompt)]) continue;
      const Cache& cache = in_prefix ? *shared_ : *own_;
      const size_t at = in_prefix
                            ? cache.row(p_, prompt, kv_head, key - prompt_first_[static_cast<size_t>(prompt)])
                            : cache.row(p_, row, kv_head, op_.cache.slot(key, own_first(row)));
      for (size_t e = 0; e < size; ++e) {
        keys.push_back(static_cast<S>(cache.k[at + e]));
        values.push_back(static_cast<S>(cache.v[at + e]));
      }
    }
    return attend<S>(query, keys, values);
  }

  Parameters p_;
  Philox random_;
  std::vector<int32_t> prompt_first_;
  std::vector<int32_t> prompt_count_;
  std::vector<int32_t> now_;  ///< (rows): position of the first new unit
  std::optional<RepeatedValues> queries_;
  std::optional<Cache> own_;
  std::optional<Cache> shared_;
  DeviceArray<int32_t> shared_first_;
  DeviceArray<int32_t> shared_count_;
  DeviceArray<int32_t> start_;
  DeviceArray<float> workspace_;
  DeviceArray<bf16> out_;
  DecodeAttention op_;
  CacheTraffic traffic_;
};

constexpr AttentionShape tiny{1, 1, 2};
constexpr AttentionShape ten{2, 1, 10};
constexpr AttentionShape fifty_two{3, 3, 52};
constexpr AttentionShape grouped_52{4, 1, 52};
constexpr AttentionShape fifty_six{3, 3, 56};
constexpr AttentionShape sixty{2, 2, 60};
constexpr AttentionShape grouped_64{8, 2, 64};
constexpr AttentionShape eighty{2, 2, 80};
constexpr AttentionShape grouped_128{4, 1, 128};
constexpr AttentionShape wide{4, 1, 136};
constexpr AttentionShape paper_600m{32, 32, 52};

constexpr VisibleUnits window(int32_t units) {
  return {.window = units};
}
constexpr VisibleUnits block(int32_t units) {
  return {.block = units};
}

/// Every head size that kernels treat in a way of its own, plain and grouped; one new unit and several; short
/// caches and long ones in parts.
constexpr Parameters own_caches[] = {
    {.shape = tiny, .rows = 1, .grown = 3},
    {.shape = ten, .rows = 3, .grown = 9},
    {.shape = ten, .rows = 2, .units = 5, .grown = 20, .splits = 2},
    {.shape = fifty_two, .rows = 1, .grown = 5},
    {.shape = fifty_two, .rows = 5, .grown = 90, .idle = true},
    {.shape = fifty_two, .rows = 4, .grown = 150, .splits = 4, .idle = true},
    {.shape = fifty_two, .rows = 2, .units = 2, .grown = 70},
    {.shape = fifty_two, .rows = 2, .units = 4, .grown = 70, .splits = 3},
    {.shape = fifty_two, .rows = 3, .units = 3, .grown = 70, .idle = true},
    {.shape = fifty_six, .rows = 3, .grown = 66, .splits = 2},
    {.shape = sixty, .rows = 3, .grown = 67},
    {.shape = sixty, .rows = 3, .units = 5, .grown = 130, .splits = 2},
    {.shape = grouped_52, .rows = 3, .grown = 40},
    {.shape = grouped_64, .rows = 3, .units = 5, .grown = 75, .splits = 2},
    {.shape = {2, 1, 64}, .rows = 3, .grown = 75},
    {.shape = eighty, .rows = 2, .grown = 40, .splits = 2},
    {.shape = grouped_128, .rows = 2, .units = 5, .grown = 70, .splits = 2},
    {.shape = {1, 1, 128}, .rows = 2, .units = 2, .grown = 40},
    {.shape = {1, 1, 66}, .rows = 2, .units = 3, .grown = 30},
    {.shape = wide, .rows = 2, .units = 2, .grown = 30, .splits = 2},
    {.shape = {2, 2, 134}, .rows = 2, .grown = 30},
};

/// Caches that hold what a step can see and begin again at their start, and one that keeps all.
constexpr Parameters windows_and_blocks[] = {
    {.shape = fifty_two, .rows = 3, .grown = 60, .visible = window(7), .whole = true},
    {.shape = fifty_two, .rows = 5, .grown = 60, .visible = window(12)},
    {.shape = fifty_two, .rows = 3, .units = 4, .grown = 60, .visible = window(12)},
    {.shape = sixty, .rows = 3, .grown = 200, .visible = window(90), .splits = 3, .idle = true},
    {.shape = fifty_six, .rows = 3, .units = 4, .grown = 190, .visible = window(90), .splits = 2},
    {.shape = fifty_two, .rows = 5, .grown = 41, .visible = block(4)},
    {.shape = fifty_two, .rows = 5, .units = 3, .grown = 41, .visible = block(4)},
    {.shape = {2, 2, 64}, .rows = 3, .units = 4, .grown = 300, .visible = block(100), .splits = 2},
};

/// Rows that go on from a prefix: one a prompt, several, a last prompt with fewer; shorter prefixes from
/// prompt to prompt, down to none (of 4 units, the third); windows that begin in the prefix.
constexpr Parameters shared_prefixes[] = {
    {.shape = fifty_two, .rows = 1, .grown = 5, .prefix = {1, 9, 1}},
    {.shape = fifty_two, .rows = 9, .grown = 20, .prefix = {9, 140, 2}, .idle = true},
    {.shape = fifty_two, .rows = 10, .grown = 70, .splits = 3, .prefix = {3, 70, 4}},
    {.shape = sixty, .rows = 8, .units = 4, .grown = 20, .prefix = {4, 66, 1}},
    {.shape = grouped_64, .rows = 6, .units = 5, .grown = 20, .prefix = {6, 66, 2}},
    {.shape = {1, 1, 128}, .rows = 4, .grown = 20, .prefix = {2, 66, 2}},
    {.shape = wide, .rows = 4, .grown = 9, .prefix = {2, 20, 2}},
    {.shape = fifty_two, .rows = 6, .grown = 30, .prefix = {2, 4, 2}},
    {.shape = fifty_two, .rows = 6, .grown = 30, .visible = window(20), .prefix = {2, 15, 2}},
    {.shape = fifty_two, .rows = 6, .grown = 12, .visible = window(150), .prefix = {3, 300, 2}, .idle = true},
};

constexpr Parameters paper_sizes[] = {
    {.shape = paper_600m, .rows = 64, .grown = 128},
    {.shape = paper_600m, .rows = 64, .grown = 2176},
    {.shape = paper_600m, .rows = 256, .grown = 2176},
    {.shape = paper_600m, .rows = 1024, .grown = 2176},
    {.shape = paper_600m, .rows = 2048, .grown = 2176},
    {.shape = paper_600m, .rows = 2048, .grown = 544},
    {.shape = paper_600m, .rows = 2048, .grown = 136},
    {.shape = paper_600m, .rows = 512, .units = 4, .grown = 544},
    {.shape = paper_600m, .rows = 1, .grown = 2176, .splits = 34},
    {.shape = paper_600m, .rows = 8, .grown = 2176, .splits = 9},
    {.shape = {32, 32, 56}, .rows = 256, .grown = 2176},
    {.shape = {32, 32, 60}, .rows = 256, .grown = 2176},
    {.shape = {32, 8, 64}, .rows = 256, .grown = 2176},
    {.shape = paper_600m, .rows = 64, .grown = 128, .prefix = {64, 2048, 4}},
    {.shape = paper_600m, .rows = 1024, .grown = 128, .prefix = {16, 2048, 1}},
};

}  // namespace

void add_decode_attention_cases(std::vector<NamedCase>& cases) {
  const auto add = [&](std::span<const Parameters> table, bool large) {
    for (Parameters p : table) {
      p.large = large;
      cases.push_back({"decode_attention", name_of(p), large,
                       [p](uint64_t seed) { return std::make_unique<DecodeAttentionCase>(p, seed); }});
    }
  };
  add(own_caches, false);
  add(windows_and_blocks, false);
  add(shared_prefixes, false);
  add(paper_sizes, true);
}

}  // namespace photon::PHOTON_GPU
