// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/backend/ceilings.h"

#include <algorithm>
#include <vector>

#include "core/base/random.h"
#include "cuda_impl/device/arena.h"
#include "cuda_impl/device/device_timer.h"
#include "cuda_impl/device/graph.h"
#include "cuda_impl/kernels/memory_ceilings.h"
#include "cuda_impl/model/matmul.h"

namespace photon::PHOTON_GPU {
namespace {

#ifdef PHOTON_CUDA
constexpr int rounds = 7;
constexpr int64_t array_bytes = int64_t{1} << 30;
constexpr int64_t product_size = 8192;
constexpr int products = 20;  // one after another, so that the clock settles where the power limit leaves it
constexpr int launches = 1000;
constexpr int blocks_per_multiprocessor = 4;
#else
constexpr int rounds = 2;
constexpr int64_t array_bytes = int64_t{1} << 18;
constexpr int64_t product_size = 48;
constexpr int products = 1;
constexpr int launches = 8;
constexpr int blocks_per_multiprocessor = 1;
#endif
constexpr int passes = 4;

class Samples {
 public:
  void add(double rate) { values_.push_back(rate); }
  double best() const { return values_.empty() ? 0.0 : *std::max_element(values_.begin(), values_.end()); }
  double shortfall() const {  // of the median
    if (values_.empty()) return 0.0;
    auto sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    return 1.0 - sorted[sorted.size() / 2] / best();
  }

 private:
  std::vector<double> values_;
};

class Measurement {
 public:
  explicit Measurement(const Device& device)
      : blocks_(blocks_per_multiprocessor * device.multiprocessors()),
        array_(array_bytes),
        sums_(blocks_ * static_cast<int64_t>(sizeof(uint32_t))) {
    fill();
    for (int i = 0; i < 2; ++i) {  // launch by launch, then recorded
      empty_kernels_.run(stream_, [&] {
        for (int launch = 0; launch < launches; ++launch) launch_nothing(stream_);
      });
    }
  }

  /// Bytes a second of reading the first `bytes` again and again.
  double read(int64_t bytes, int times) {
    const ReadMemory args{words(0), bytes, times, static_cast<uint32_t*>(sums_.data())};
    const double seconds = timer_.seconds(stream_, [&] { read_memory(stream_, args, blocks_); });
    return static_cast<double>(bytes) * times / seconds;
  }

  /// Bytes a second, read and written together, of copying the first half onto the second.
  double copy() {
    const CopyMemory args{words(0), words(array_bytes / 2), array_bytes / 2};
    const double seconds = timer_.seconds(stream_, [&] {
      for (int i = 0; i < passes; ++i) copy_memory(stream_, args, blocks_);
    });
    return static_cast<double>(array_bytes) * passes / seconds;
  }

  double multiply() {
    constexpr int64_t matrix_bytes = product_size * product_size * static_cast<int64_t>(sizeof(bf16));
    static_assert(3 * matrix_bytes <= array_bytes);
    Product p;
    p.x = reinterpret_cast<const bf16*>(words(0));
    p.weight = reinterpret_cast<const bf16*>(words(matrix_bytes));
    p.out = reinterpret_cast<bf16*>(words(2 * matrix_bytes));
    p.rows = p.in = p.out_width = p.x_stride = p.out_stride = product_size;
    const double seconds = timer_.seconds(stream_, [&] {
      for (int i = 0; i < products; ++i) matmul_(stream_, "ceiling", p);
    });
    return 2.0 * product_size * product_size * product_size * products / seconds;
  }

  double launches_a_second() {
    return launches / timer_.seconds(stream_, [&] { empty_kernels_.replay(stream_); });
  }

 private:
  uint32_t* words(int64_t offset) const {
    return reinterpret_cast<uint32_t*>(static_cast<char*>(array_.data()) + offset);
  }

  /// Normals, made for a part and repeated: what is in a register or on a wire costs power, and with it
  /// clock.
  void fill() {
    std::vector<bf16> part(static_cast<size_t>(std::min(array_bytes, int64_t{4} << 20)) / sizeof(bf16));
    const Philox random(stable_hash("ceilings"));
    for (size_t i = 0; i < part.size(); i += 2) {
      const auto pair = random.normals(0, i / 2);
      part[i] = to_bf16(static_cast<float>(pair[0]));
      part[i + 1] = to_bf16(static_cast<float>(pair[1]));
    }
    const auto bytes = static_cast<int64_t>(part.size() * sizeof(bf16));
    check(cudaMemcpy(words(0), part.data(), static_cast<size_t>(bytes), cudaMemcpyHostToDevice),
          "cudaMemcpy");
    for (int64_t at = bytes; at < array_bytes; at += bytes) {
      check(cudaMemcpy(words(at), words(0), static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice),
            "cudaMemcpy");
    }
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // the stream does not wait for these by itself
  }

  int blocks_;
  Stream stream_;
  DeviceTimer timer_;
  DeviceBuffer array_;
  DeviceBuffer sums_;
  Matmul matmul_;
  Graph empty_kernels_;
};

}  // namespace

Ceilings measure_ceilings(const Device& device, DType dtype) {
  const bool multiplies = dtype == DType::bfloat16;
  Measurement m(device);
  std::vector<int64_t>
      sizes;  // of the last-level cache: how much of it one multiprocessor reaches is not said
  for (int eighths = 1; eighths <= 8; ++eighths) {
    const int64_t bytes = device.cache_bytes() / 8 * eighths / 16 * 16;
    if (bytes <= array_bytes / 2) sizes.push_back(bytes);
  }
  if (multiplies) m.multiply();  // loads the library and its kernel
  m.launches_a_second();
  Samples read, copy, matrix, launch;
  std::vector<Samples> cached(sizes.size());
  for (int round = 0; round < rounds; ++round) {
    read.add(m.read(array_bytes, passes));
    copy.add(m.copy());
    for (size_t i = 0; i < sizes.size(); ++i) {
      m.read(sizes[i], 1);
      cached[i].add(m.read(sizes[i], static_cast<int>(std::max<int64_t>(passes, array_bytes / sizes[i]))));
    }
    if (multiplies) matrix.add(m.multiply());
    launch.add(m.launches_a_second());
  }

  Ceilings out;
  out.read_bandwidth = read.best();
  out.copy_bandwidth = copy.best();
  out.bandwidth = std::max(out.read_bandwidth, out.copy_bandwidth);
  out.matrix_rate = matrix.best();
  out.launch_seconds = 1.0 / launch.best();
  out.spread = std::max({read.shortfall(), copy.shortfall(), matrix.shortfall(), launch.shortfall()});
  double fastest = 0.0;
  for (const Samples& c : cached) fastest = std::max(fastest, c.best());
  if (fastest < 1.2 * out.read_bandwidth) return out;
  out.cache_bandwidth = fastest;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (2.0 * cached[i].best() > fastest + out.read_bandwidth) out.cache_bytes = sizes[i];
  }
  return out;
}

}  // namespace photon::PHOTON_GPU
