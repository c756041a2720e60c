// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/rotate_append.h"
#include "cuda_impl/model/rotations.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

enum class Kept {
  nothing,
  growing,  ///< unit u at slot u
  ring,
  behind_shared,  ///< each sequence's own first unit at slot 0
};

struct Parameters {
  AttentionShape shape;
  int64_t rows = 1;
  int32_t units = 1;
  bool placed = false;  ///< rows stand at different units, every third one idle; else all begin at unit 0
  Kept kept = Kept::nothing;
  int32_t capacity = 0;
  int32_t keep_from = 0;
  bool keys_in_place = false;
  bool mapped = false;  ///< rows belong to other sequences than their own number
  bool large = false;
};

std::string name_of(const Parameters& p) {
  std::string name = fmt::format("rows={} units={} heads={} kv_heads={} head_size={}", p.rows, p.units,
                                 p.shape.heads, p.shape.kv_heads, p.shape.head_size);
  if (p.kept == Kept::growing) name += fmt::format(" capacity={}", p.capacity);
  if (p.kept == Kept::ring) name += fmt::format(" ring={}", p.capacity);
  if (p.kept == Kept::behind_shared) name += fmt::format(" behind_shared={}", p.capacity);
  if (p.keep_from > 0) name += fmt::format(" keep_from={}", p.keep_from);
  if (p.placed) name += " placed";
  if (p.keys_in_place) name += " keys_in_place";
  if (p.mapped) name += " mapped";
  return name;
}

class RotateAppendCase : public OpCase {
 public:
  RotateAppendCase(const Parameters& p, uint64_t seed)
      : p_(p),
        sequences_(p.rows + (p.mapped ? 2 : 0)),
        table_(rotation_table(positions(), p.shape.head_size, 10000.0)),
        rotations_(table_),
        qkv_(static_cast<size_t>(p.rows * p.units * p.shape.packed_width()), seed),
        k_(cache_size(), seed + 1),
        v_(cache_size(), seed + 2) {
    const Philox random(seed + 3);
    for (int64_t row = 0; row < p.rows; ++row) {
      sequence_.push_back(static_cast<int32_t>(p.mapped ? sequences_ - 1 - row : row));
      const bool idle = p.placed && row % 3 == 1;
      const int32_t span = p.kept == Kept::growing ? p.capacity - p.units + 1 : latest_unit + 1;
      const int32_t unit =
          offset + static_cast<int32_t>(random.uniform(1, static_cast<uint64_t>(row)) * (span - offset));
      first_.push_back(!p.placed ? 0 : idle ? -1 : unit);
      start_.push_back(idle ? -1 : (unit - offset) * tokens_per_unit + tokens_per_unit - 1);
    }
    first_unit_.assign(static_cast<size_t>(sequences_), 0);
    for (size_t row = 0; row < first_.size(); ++row) {
      const int32_t slot = std::min(std::max(first_[row], 0), p.capacity - p.units);
      if (p.kept == Kept::behind_shared) {
        first_unit_[static_cast<size_t>(sequence_[row])] = std::max(first_[row], 0) - slot;
      }
    }
    device_start_ = DeviceArray<int32_t>(start_);
    device_sequence_ = DeviceArray<int32_t>(sequence_);
    device_first_unit_ = DeviceArray<int32_t>(first_unit_);
    op_ = {
        .shape = p.shape,
        .qkv = qkv_.data(),
        .rotations = rotations_.data(),
        .rows = p.rows,
        .units = p.units,
        .position = {p.placed ? device_start_.data() : nullptr, tokens_per_unit, offset},
        .keys_in_place = p.keys_in_place,
        .cache = {p.kept == Kept::nothing ? nullptr : k_.data(), v_.data(), p.capacity, p.kept == Kept::ring},
        .sequence = p.mapped ? device_sequence_.data() : nullptr,
        .first_unit = p.kept == Kept::behind_shared ? device_first_unit_.data() : nullptr,
        .keep_from = p.keep_from};
  }

  void launch(Stream& stream) override { rotate_append(stream, op_, stored()); }
  Work work() const override { return rotate_append_work(op_, stored()); }

  std::vector<OpOutput> outputs() override {
    OpOutput turned_rows{"turned", {}, {}, {}};
    OpOutput keys{"k", {}, {}, {}};
    OpOutput values = copied_output("v");
    Untouched<bf16> rest_of_rows(qkv_);
    Untouched<bf16> rest_of_k(k_);
    Untouched<bf16> rest_of_v(v_);
    const std::vector<bf16> qkv = qkv_.read();
    const std::vector<bf16> k = k_.read();
    const std::vector<bf16> v = v_.read();
    const int32_t turned_heads = p_.shape.heads + (p_.keys_in_place ? p_.shape.kv_heads : 0);
    const auto size = static_cast<size_t>(p_.shape.head_size);
    const int64_t step = check_step(p_.rows * p_.units, most_checked);
    for (int64_t at = 0; at < p_.rows * p_.units; ++at) {
      const int64_t row = at / p_.units;
      const auto packed = static_cast<size_t>(at * p_.shape.packed_width());
      const bool idle = first_[static_cast<size_t>(row)] < 0;
      const auto unit = static_cast<int32_t>(first_[static_cast<size_t>(row)] + at % p_.units);
      rest_of_rows.touch(packed, static_cast<size_t>(turned_heads) * size);
      const bool checked = at % step == 0 && !idle;
      for (int32_t h = 0; checked && h < turned_heads; ++h) {
        const size_t head = packed + static_cast<size_t>(h) * size;
        for (size_t i = 0; i < size; ++i) {
          add_rounded(turned_rows, qkv[head + i], turned<float>(head, unit, i),
                      turned<double>(head, unit, i));
        }
      }
      if (p_.kept == Kept::nothing || idle || unit < p_.keep_from) continue;
      for (int32_t h = 0; h < p_.shape.kv_heads; ++h) {
        const size_t to = in_cache(row, h, unit);
        const size_t head = packed + static_cast<size_t>(p_.shape.width()) + static_cast<size_t>(h) * size;
        rest_of_k.touch(to, size);
        rest_of_v.touch(to, size);
        for (size_t i = 0; checked && i < size; ++i) {
          add_rounded(keys, k[to + i], turned<float>(head, unit, i), turned<double>(head, unit, i));
          add_copied(values, v[to + i], qkv_.value(head + static_cast<size_t>(p_.shape.kv_width()) + i));
        }
      }
    }
    std::vector<OpOutput> outputs = {turned_rows, rest_of_rows.output("rest of rows", qkv)};
    qkv_.restore();
    if (p_.kept == Kept::nothing) return outputs;
    outputs.push_back(keys);
    outputs.push_back(values);
    outputs.push_back(rest_of_k.output("rest of k", k));
    outputs.push_back(rest_of_v.output("rest of v", v));
    k_.restore();
    v_.restore();
    return outputs;
  }

 private:
  static constexpr int32_t tokens_per_unit = 4;
  static constexpr int32_t offset = 1;  ///< so no placed row stands before unit 1
  static constexpr int32_t latest_unit = 20;
  static constexpr int64_t most_checked = 64;

  int64_t positions() const { return std::max(latest_unit, p_.capacity) + p_.units + 1; }
  size_t cache_size() const {
    return p_.kept == Kept::nothing ? 1 : static_cast<size_t>(sequences_ * p_.capacity * p_.shape.kv_width());
  }
  size_t in_cache(int64_t row, int32_t kv_head, int32_t unit) const {
    const int64_t sequence = sequence_[static_cast<size_t>(row)];
    const int32_t slot =
        p_.kept == Kept::ring ? unit % p_.capacity : unit - first_unit_[static_cast<size_t>(sequence)];
    return static_cast<size_t>(((sequence * p_.shape.kv_heads + kv_head) * p_.capacity + slot) *
                               p_.shape.head_size);
  }
  double stored() const {
    double units = 0.0;
    for (const int32_t first : first_) {
      if (p_.kept != Kept::nothing && first >= 0)
        units += std::max(0, first + p_.units - std::max(first, p_.keep_from));
    }
    return units;
  }

  /// Element i of the head that begins at `head`, turned to `unit`.
  template <class S>
  S turned(size_t head, int32_t unit, size_t i) const {
    const auto half = static_cast<size_t>(p_.shape.head_size / 2);
    const size_t j = i % half;
    const size_t angle = 2 * (static_cast<size_t>(unit) * half + j);
    const auto c = static_cast<S>(table_[angle]);
    const auto s = static_cast<S>(table_[angle + 1]);
    const auto x = static_cast<S>(qkv_[head + j]);
    const auto y = static_cast<S>(qkv_[head + j + half]);
    return i < half ? x * c - y * s : y * c + x * s;
  }

  Parameters p_;
  int64_t sequences_;
  std::vector<float> table_;
  DeviceArray<float> rotations_;
  RepeatedValues qkv_;
  RepeatedValues k_;
  RepeatedValues v_;
  std::vector<int32_t> first_;  ///< (rows): unit, -1: idle
  std::vector<int32_t> start_;
  std::vector<int32_t> sequence_;
  std::vector<int32_t> first_unit_;  ///< (sequences)
  DeviceArray<int32_t> device_start_;
  DeviceArray<int32_t> device_sequence_;
  DeviceArray<int32_t> device_first_unit_;
  RotateAppend op_;
};

constexpr AttentionShape paper{32, 32, 52};

}  // namespace

void add_rotate_append_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {.shape = {1, 1, 2}},
      {.shape = {2, 1, 10}, .rows = 3, .units = 4, .keys_in_place = true},
      {.shape = {1, 1, 2}, .rows = 2, .placed = true, .kept = Kept::growing, .capacity = 9},
      {.shape = {3, 3, 52}, .rows = 4, .placed = true, .kept = Kept::growing, .capacity = 9},
      {.shape = {4, 1, 26}, .rows = 5, .units = 3, .placed = true, .kept = Kept::growing, .capacity = 12},
      {.shape = {4, 2, 24},
       .rows = 2,
       .units = 7,
       .kept = Kept::growing,
       .capacity = 9,
       .keys_in_place = true,
       .mapped = true},
      {.shape = {3, 3, 52}, .rows = 5, .placed = true, .kept = Kept::ring, .capacity = 4},
      {.shape = {2, 1, 60}, .rows = 5, .units = 3, .placed = true, .kept = Kept::ring, .capacity = 4},
      {.shape = {2, 2, 10},
       .rows = 3,
       .units = 11,
       .kept = Kept::ring,
       .capacity = 4,
       .keep_from = 7,
       .keys_in_place = true,
       .mapped = true},
      {.shape = {3, 3, 52}, .rows = 5, .placed = true, .kept = Kept::behind_shared, .capacity = 6},
      {.shape = {2, 1, 14},
       .rows = 4,
       .units = 2,
       .placed = true,
       .kept = Kept::behind_shared,
       .capacity = 5,
       .mapped = true},
      {.shape = {2, 2, 10},
       .rows = 2,
       .units = 5,
       .kept = Kept::growing,
       .capacity = 6,
       .keep_from = 5,
       .keys_in_place = true},
      {.shape = {9, 3, 128}, .rows = 2, .units = 2, .keys_in_place = true},
      {.shape = paper, .rows = 1, .placed = true, .kept = Kept::growing, .capacity = 16, .large = true},
      {.shape = paper, .rows = 64, .placed = true, .kept = Kept::growing, .capacity = 16, .large = true},
      {.shape = paper, .rows = 512, .placed = true, .kept = Kept::growing, .capacity = 16, .large = true},
      {.shape = paper, .rows = 2048, .placed = true, .kept = Kept::growing, .capacity = 16, .large = true},
      {.shape = paper,
       .rows = 64,
       .units = 512,
       .kept = Kept::growing,
       .capacity = 512,
       .keys_in_place = true,
       .large = true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"rotate_append", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<RotateAppendCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
