// SPDX-License-Identifier: Apache-2.0
#include "reference/timed_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "core/base/error.h"
#include "core/base/random.h"
#include "reference/head.h"
#include "reference/memory.h"
#include "reference/sampler.h"
#include "reference/stack_runner.h"

namespace photon::reference {
namespace {

constexpr double eps = 1e-5;
constexpr double theta = 10000.0;

/// Small normals, made for a part and repeated.
template <class S>
void fill(S* out, int64_t count, uint64_t stream) {
  constexpr int64_t part = 4096;
  const Philox random(stable_hash("timed kernel"));
  const int64_t made = std::min(count, part);
  for (int64_t i = 0; i < made; i += 2) {
    const auto pair = random.normals(stream, static_cast<uint64_t>(i / 2));
    out[i] = static_cast<S>(0.1 * pair[0]);
    if (i + 1 < made) out[i + 1] = static_cast<S>(0.1 * pair[1]);
  }
  for (int64_t i = made; i < count; ++i) out[i] = out[i - made];
}

template <class S>
Matrix<S> random_matrix(Index rows, Index cols, uint64_t stream) {
  Matrix<S> m(rows, cols);
  fill(m.data(), m.size(), stream);
  return m;
}

/// How many copies of operands of so many bytes come to the footprint.
int64_t copies_for(double bytes, int64_t footprint, const Kernel& kernel) {
  const auto copies =
      std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(footprint) / std::max(bytes, 1.0)));
  const double all = bytes * static_cast<double>(copies);
  const auto room = 0.5 * static_cast<double>(usable_memory_bytes());
  if (all > room) {
    throw Error(fmt::format("{}: its operands take {:.2f} GiB, of {:.2f} GiB at most", describe(kernel),
                            all / 0x1p30, room / 0x1p30));
  }
  return copies;
}

/// Runs one copy after another and takes the time of all.
class Repeated : public TimedKernel {
 public:
  double seconds(int64_t runs) final {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    for (int64_t i = 0; i < runs; ++i) {
      run(next_);
      next_ = (next_ + 1) % copies_;
    }
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

 protected:
  explicit Repeated(int64_t copies) : copies_(copies) {}
  virtual void run(int64_t copy) = 0;
  int64_t copies_;

 private:
  int64_t next_ = 0;
};

template <class S>
double weight_bytes(const Kernel& k) {
  return kernel_work(k, sizeof(S)).weight_bytes;
}

/// A layer whose attention does nothing.
template <class S>
class LayerKernel final : public Repeated {
 public:
  LayerKernel(const Kernel& k, int64_t footprint)
      : Repeated(copies_for(weight_bytes<S>(k), footprint, k)),
        shape_(k.shape),
        rope_(k.shape.head_size(), theta) {
    const Index d = shape_.width;
    const Index f = shape_.ffn;
    const Index packed = d + 2 * shape_.kv_width();
    const int64_t elements = 2 * d + packed * d + d * d + 3 * f * d;
    memory_.resize(copies_ * elements);
    fill(memory_.data(), std::ssize(memory_), 0);
    S* at = memory_.data();
    const auto take = [&](Index count) { return std::exchange(at, at + count); };
    for (int64_t c = 0; c < copies_; ++c) {
      layers_.push_back({{take(d), d},
                         {take(packed * d), packed, d},
                         {take(d * d), d, d},
                         {take(d), d},
                         {take(2 * f * d), 2 * f, d},
                         {take(d * f), d, f}});
    }
    tape_.input = random_matrix<S>(k.rows, d, 1);
    positions_.resize(k.rows);
    std::iota(positions_.begin(), positions_.end(), 0);
    rope_.reserve(k.rows);
  }

 private:
  void run(int64_t copy) override {
    layer_forward(
        layers_[copy], shape_, eps, rope_, positions_, tape_,
        [](LayerTape<S>& t) { t.attended = t.qkv.leftCols(t.attended.cols()); }, output_);
  }

  StackShape shape_;
  Rope<S> rope_;
  AlignedVector<S> memory_;
  std::vector<LayerWeights<S>> layers_;
  std::vector<int64_t> positions_;
  LayerTape<S> tape_;
  Matrix<S> output_;
};

template <class S>
LayerTape<S> packed_rows(const Kernel& k) {
  LayerTape<S> tape;
  tape.qkv = random_matrix<S>(k.rows * k.queries, k.shape.width + 2 * k.shape.kv_width(), 2);
  tape.attended.resize(tape.qkv.rows(), k.shape.width);
  return tape;
}

/// Over a growing cache, or of whole sequences; a copy is a layer of the cache.
template <class S>
class CachedAttention final : public Repeated {
 public:
  CachedAttention(const Kernel& k, int64_t footprint)
      : Repeated(copies_for(cache_bytes(k), footprint, k)), shape_(k.shape), tape_(packed_rows<S>(k)) {
    prefill_ = k.kind == Kernel::Kind::prefill_attention;
    if (k.window > 0) visibility_.window = {EncoderWindow::Kind::units, k.window};
    const int64_t prompt = prefill_ ? k.queries : k.keys;
    cache_ = KvCache<S>({.shape = k.shape,
                         .layers = copies_,
                         .visibility = visibility_,
                         .prompt_units = std::vector<int64_t>(static_cast<size_t>(k.rows), prompt),
                         .new_units = prefill_ ? 0 : k.queries});
    sequences_.resize(k.rows);
    std::iota(sequences_.begin(), sequences_.end(), 0);
    if (prefill_) {
      runner_.begin_prefill(k.rows, k.queries);
      return;
    }
    const Index width = k.shape.kv_width();
    const Matrix<S> keys = random_matrix<S>(std::max<Index>(1, k.keys), 2 * width, 3);
    for (int64_t layer = 0; layer < copies_; ++layer) {
      for (const int64_t row : sequences_) {
        cache_.store_prefill(layer, row, keys.data(), keys.data() + width, keys.cols());
      }
    }
    cache_.finish_prefill();
    runner_.begin_step(sequences_, k.queries, cache_);
  }

 private:
  static double cache_bytes(const Kernel& k) {
    return static_cast<double>(k.rows * (k.keys + k.queries) * 2 * k.shape.kv_width()) * sizeof(S);
  }
  void run(int64_t copy) override {
    if (prefill_) {
      runner_.attend_prefill(shape_, visibility_, copy, sequences_, cache_, tape_);
    } else {
      runner_.attend_step(shape_, visibility_, copy, sequences_, cache_, tape_);
    }
  }

  StackShape shape_;
  LayerTape<S> tape_;
  bool prefill_ = false;
  Visibility visibility_;
  KvCache<S> cache_;
  std::vector<int64_t> sequences_;
  CachedRunner<S> runner_;
};

/// One copy: what a decoder's layer wrote a moment ago is in a cache, however large the model is.
template <class S>
class LocalAttention final : public Repeated {
 public:
  explicit LocalAttention(const Kernel& k)
      : Repeated(copies_for(0.0, 1, k)),
        length_(k.keys),
        tape_(packed_rows<S>(k)),
        weights_{k.shape, {}, {nullptr, 0}} {
    weights_.layers.push_back(
        {{nullptr, 0}, {nullptr, 0, 0}, {nullptr, 0, 0}, {nullptr, 0}, {nullptr, 0, 0}, {nullptr, 0, 0}});
    runner_.begin(weights_, k.rows, k.keys + k.queries);
    for (Index row = 0; row < length_; row += k.queries) {  // all rows once, so that none is unwritten
      runner_.attend(0, std::min<Index>(row, length_ - 1), tape_);
    }
  }

 private:
  void run(int64_t) override { runner_.attend(0, length_, tape_); }

  Index length_;
  LayerTape<S> tape_;
  StackWeights<S> weights_;
  WindowRunner<S> runner_;
};

/// Chunker, converter and head: a product with what stands before and behind it.
template <class S>
class ProductKernel final : public Repeated {
 public:
  ProductKernel(const Kernel& k, int64_t footprint)
      : Repeated(copies_for(weight_bytes<S>(k), footprint, k)), kind_(k.kind), in_(k.in), out_(k.out) {
    memory_.resize(copies_ * in_ * out_);
    fill(memory_.data(), std::ssize(memory_), 4);
    input_ = random_matrix<S>(k.rows, in_, 5);
    gain_ = random_matrix<S>(1, in_, 6);
    bias_ = random_matrix<S>(1, out_, 7);
  }

 private:
  void run(int64_t copy) override {
    const MatrixMap<S> weight(memory_.data() + copy * in_ * out_, out_, in_);
    const Matrix<S>* x = &input_;
    if (kind_ == Kernel::Kind::chunker) {
      rms_norm<S>(input_, RowMap<S>(gain_.data(), in_), eps, normed_);
      x = &normed_;
    }
    if (kind_ != Kernel::Kind::head) {
      affine<S>(*x, weight, RowMap<S>(bias_.data(), out_), y_);
      return;
    }
    head_log_probs<S>(*x, weight, y_, log_probs_);
    for (Index r = 0; r < x->rows(); ++r) {
      const auto row = static_cast<size_t>(r * out_);
      chosen_ += sampler_.sample({log_probs_.data() + row, static_cast<size_t>(out_)}, r, 0);
    }
  }

  Kernel::Kind kind_;
  Index in_;
  Index out_;
  AlignedVector<S> memory_;
  Matrix<S> input_, gain_, bias_, normed_, y_;
  AlignedVector<double> log_probs_;
  Sampler sampler_{{}};
  int64_t chosen_ = 0;
};

template <class S>
std::unique_ptr<TimedKernel> make(const Kernel& k, int64_t footprint) {
  switch (k.kind) {
    case Kernel::Kind::layer:
      return std::make_unique<LayerKernel<S>>(k, footprint);
    case Kernel::Kind::attention:
    case Kernel::Kind::prefill_attention:
      return std::make_unique<CachedAttention<S>>(k, footprint);
    case Kernel::Kind::local_attention:
      return std::make_unique<LocalAttention<S>>(k);
    case Kernel::Kind::chunker:
    case Kernel::Kind::converter:
    case Kernel::Kind::head:
      return std::make_unique<ProductKernel<S>>(k, footprint);
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<TimedKernel> make_timed_kernel(const Kernel& kernel, DType dtype, int64_t footprint) {
  return dtype == DType::float64 ? make<double>(kernel, footprint) : make<float>(kernel, footprint);
}

}  // namespace photon::reference
