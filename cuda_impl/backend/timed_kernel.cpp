// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/backend/timed_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <vector>

#include "core/base/error.h"
#include "cuda_impl/device/device_timer.h"
#include "cuda_impl/device/graph.h"
#include "cuda_impl/device/repeated_array.h"
#include "cuda_impl/kernels/decode_attention.h"
#include "cuda_impl/kernels/local_attention.h"
#include "cuda_impl/kernels/prefill_attention.h"
#include "cuda_impl/kernels/sample.h"
#include "cuda_impl/model/rotations.h"
#include "cuda_impl/model/stack.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr float eps = 1e-5f;
constexpr double theta = 10000.0;
constexpr double weight_scale = 0.02;

class GraphKernel final : public TimedKernel {
 public:
  GraphKernel(const Kernel& kernel, int64_t footprint, int multiprocessors)
      : k_(kernel), multiprocessors_(multiprocessors), linear_(eps, matrix_vector_rows) {
    const Work work = kernel_work(k_, sizeof(bf16));
    // What a decoder's layer wrote a moment ago is in a cache, however large the model is.
    const bool local = k_.kind == Kernel::Kind::local_attention;
    const double bytes = local ? 0.0 : work.weight_bytes + work.kv_bytes();
    if (bytes > 0.0)
      copies_ = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(footprint) / bytes));
    const std::function<void(int64_t)> run = prepare();
    for (int i = 0; i < 2; ++i) {  // launch by launch, then recorded
      graph_.run(stream_, [&] {
        for (int64_t copy = 0; copy < copies_; ++copy) run(copy);
      });
    }
  }

  double seconds(int64_t runs) override {
    const int64_t replays = (runs + copies_ - 1) / copies_;
    const double all = timer_.seconds(stream_, [&] {
      for (int64_t i = 0; i < replays; ++i) graph_.replay(stream_);
    });
    return all * static_cast<double>(runs) / static_cast<double>(replays * copies_);
  }

 private:
  bf16* random(int64_t elements, double scale = 1.0) {
    constexpr size_t most = (size_t{1} << 16) - 1;  // odd: rows differ; few: footprints are large
    const size_t size = static_cast<size_t>(elements);
    arrays_.emplace_back(size, random_values<bf16>(std::min(size, most), arrays_.size() + 1, scale));
    return arrays_.back().data();
  }
  bf16* unwritten(int64_t elements) {
    outputs_.emplace_back(static_cast<size_t>(elements));
    return outputs_.back().data();
  }
  template <class T>
  T* values(std::deque<DeviceArray<T>>& arrays, const std::vector<T>& v) {
    arrays.emplace_back(v);
    return arrays.back().data();
  }

  /// What one run on a copy of the operands starts.
  std::function<void(int64_t)> prepare() {
    switch (k_.kind) {
      case Kernel::Kind::layer:
        return layer();
      case Kernel::Kind::attention:
        return attention();
      case Kernel::Kind::prefill_attention:
        return prefill();
      case Kernel::Kind::local_attention:
        return local();
      case Kernel::Kind::chunker:
      case Kernel::Kind::converter:
        return product();
      case Kernel::Kind::head:
        return head();
    }
    return {};
  }

  std::function<void(int64_t)> layer() {
    const int64_t d = k_.shape.width;
    const int64_t packed = d + 2 * k_.shape.kv_width();
    StackWeights copies{k_.shape, {}, random(d)};
    for (int64_t c = 0; c < copies_; ++c) {
      copies.layers.push_back({random(d), random(packed * d, weight_scale), random(d * d, weight_scale),
                               random(d), random(2 * k_.shape.ffn * d, weight_scale),
                               random(d * k_.shape.ffn, weight_scale)});
    }
    const StackScratch scratch{{unwritten(k_.rows * d), unwritten(k_.rows * 2 * k_.shape.ffn)},
                               unwritten(k_.rows * packed),
                               random(k_.rows * d),
                               unwritten(k_.rows * k_.shape.ffn)};
    bf16* const x = random(k_.rows * d);
    return [this, copies, scratch, x](int64_t c) {
      const StackWeights one{copies.shape, {copies.layers[c]}, copies.norm};
      run_layers(stream_, linear_, one, scratch, x, k_.rows, [](size_t) {});
    };
  }

  CacheView cache(int64_t capacity) {
    const int64_t elements = k_.rows * k_.shape.kv_width() * capacity;
    return {random(elements), random(elements), static_cast<int32_t>(capacity), false};
  }
  float* rotations(int64_t positions) {
    return values(floats_, rotation_table(positions, k_.shape.head_size(), theta));
  }

  std::function<void(int64_t)> attention() {
    const AttentionShape shape = attention_shape(k_.shape);
    const int64_t capacity = k_.keys + k_.queries;
    RotateAppend append;
    append.shape = shape;
    append.qkv = random(k_.rows * k_.queries * shape.packed_width());
    append.rotations = rotations(capacity);
    append.rows = k_.rows;
    append.units = static_cast<int32_t>(k_.queries);
    append.position.start =
        values(integers_, std::vector<int32_t>(static_cast<size_t>(k_.rows), static_cast<int32_t>(k_.keys)));
    DecodeAttention a;
    a.shape = shape;
    a.q = append.qkv;
    a.q_stride = shape.packed_width();
    a.position = append.position;
    a.out = unwritten(k_.rows * k_.queries * k_.shape.width);
    a.rows = k_.rows;
    a.units = append.units;
    a.splits = decode_attention_splits(shape, k_.rows, capacity, multiprocessors_);
    const int64_t floats = decode_attention_workspace(shape, k_.rows, a.units, a.splits, 0);
    if (floats > 0) {
      workspaces_.emplace_back(static_cast<size_t>(floats));
      a.workspace = workspaces_.back().data();
    }
    std::vector<CacheView> caches;
    for (int64_t c = 0; c < copies_; ++c) caches.push_back(cache(capacity));
    const auto rows = static_cast<double>(k_.rows);
    const auto queries = static_cast<double>(k_.queries);
    const auto keys = static_cast<double>(k_.keys);
    const CacheTraffic traffic{.pairs = rows * queries * (keys + 0.5 * (queries + 1.0)),
                               .rows_read = rows * keys,
                               .rows_written = rows * queries};
    return [this, append, a, caches, traffic](int64_t c) {
      RotateAppend first = append;
      DecodeAttention second = a;
      first.cache = second.cache = caches[c];
      rotate_append(stream_, first, traffic.rows_written);
      decode_attention(stream_, second, traffic);
    };
  }

  std::function<void(int64_t)> prefill() {
    const AttentionShape shape = attention_shape(k_.shape);
    RotateAppend append;
    append.shape = shape;
    append.qkv = random(k_.rows * k_.queries * shape.packed_width());
    append.rotations = rotations(k_.queries);
    append.rows = k_.rows;
    append.units = static_cast<int32_t>(k_.queries);
    append.keys_in_place = true;
    PrefillAttention a;
    a.shape = shape;
    a.qkv = append.qkv;
    a.out = unwritten(k_.rows * k_.queries * k_.shape.width);
    a.sequences = k_.rows;
    a.units = append.units;
    a.visible.window = static_cast<int32_t>(k_.window);
    std::vector<CacheView> caches;
    for (int64_t c = 0; c < copies_; ++c) caches.push_back(cache(k_.queries));
    return [this, append, a, caches](int64_t c) {
      RotateAppend first = append;
      first.cache = caches[c];
      rotate_append(stream_, first, static_cast<double>(k_.rows * k_.queries));
      prefill_attention(stream_, a);
    };
  }

  std::function<void(int64_t)> local() {
    const AttentionShape shape = attention_shape(k_.shape);
    const int64_t window = k_.keys + k_.queries;
    const CacheView windows = cache(window);
    const LocalAttention a{.shape = shape,
                           .qkv = random(k_.rows * k_.queries * shape.packed_width()),
                           .rotations = rotations(window),
                           .k = windows.k,
                           .v = windows.v,
                           .out = unwritten(k_.rows * k_.queries * k_.shape.width),
                           .chunks = k_.rows,
                           .window = static_cast<int32_t>(window),
                           .length = static_cast<int32_t>(k_.keys),
                           .rows = static_cast<int32_t>(k_.queries)};
    return [this, a](int64_t) { local_attention(stream_, a); };
  }

  Linear product_rows() {
    return {.x = random(k_.rows * k_.in),
            .x_stride = k_.in,
            .out_stride = k_.out,
            .rows = k_.rows,
            .in = k_.in,
            .out_width = k_.out};
  }
  std::vector<const bf16*> matrices() {
    std::vector<const bf16*> all;
    for (int64_t c = 0; c < copies_; ++c) all.push_back(random(k_.out * k_.in, weight_scale));
    return all;
  }

  std::function<void(int64_t)> product() {
    Linear a = product_rows();
    const bool norms = k_.kind == Kernel::Kind::chunker;
    if (norms) a.gain = random(k_.in);
    a.bias = random(k_.out);
    a.out = unwritten(k_.rows * k_.out);
    const LinearScratch scratch{norms ? unwritten(k_.rows * k_.in) : nullptr, nullptr};
    return [this, a, scratch, all = matrices()](int64_t c) {
      Linear one = a;
      one.weight = all[c];
      linear_(stream_, "product", one, scratch);
    };
  }

  std::function<void(int64_t)> head() {
    Linear a = product_rows();
    a.gain = random(k_.in);
    floats_.emplace_back(static_cast<size_t>(k_.rows * k_.out));
    a.out_float = floats_.back().data();
    const LinearScratch scratch{unwritten(k_.rows * k_.in), nullptr};
    parts_.emplace_back(static_cast<size_t>(k_.rows * greedy_parts(static_cast<int32_t>(k_.out))));
    const auto rows = static_cast<size_t>(k_.rows);
    Sample sample;
    sample.logits = a.out_float;
    sample.vocab = static_cast<int32_t>(k_.out);
    sample.states = k_.rows;
    sample.rows = {values(integers_, std::vector<int32_t>(rows, 0)),
                   values(floats_, std::vector<float>(rows, 0.0f)),
                   1,
                   values(integers_, std::vector<int32_t>(rows, 0)),
                   values(integers_, std::vector<int32_t>(rows, 0)),
                   values(integers_, std::vector<int32_t>(rows, 1))};
    return [this, a, scratch, sample, parts = parts_.back().data(), all = matrices()](int64_t c) {
      Linear one = a;
      one.weight = all[c];
      linear_(stream_, "head", one, scratch);
      sample_greedy(stream_, sample, parts);
    };
  }

  Kernel k_;
  int multiprocessors_;
  int64_t copies_ = 1;
  std::deque<RepeatedValues> arrays_;
  std::deque<DeviceArray<bf16>> outputs_;
  std::deque<DeviceArray<float>> floats_;
  std::deque<DeviceArray<float>> workspaces_;
  std::deque<DeviceArray<int32_t>> integers_;
  std::deque<DeviceArray<GreedyPart>> parts_;
  Stream stream_;
  DeviceTimer timer_;
  Linears linear_;
  Graph graph_;
};

}  // namespace

std::unique_ptr<TimedKernel> make_timed_kernel(const Kernel& kernel, DType dtype, int64_t footprint,
                                               int multiprocessors) {
  if (dtype != DType::bfloat16) {
    throw UsageError(fmt::format("the device computes in bfloat16, not in {}", to_string(dtype)));
  }
  return std::make_unique<GraphKernel>(kernel, footprint, multiprocessors);
}

}  // namespace photon::PHOTON_GPU
