// SPDX-License-Identifier: Apache-2.0
// An array on the device whose values the host knows, repeated after a period where it is larger: caches of
// the paper's batches are tens of GiB, which no host generates. What a launch changed can be put back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "cuda_impl/device/device_array.h"

namespace photon::PHOTON_GPU {

template <class T>
class RepeatedArray {
 public:
  static constexpr size_t longest_period = (size_t{1} << 23) - 1;  ///< odd: rows of one place differ

  /// Standard normals of `seed`, times `scale`.
  RepeatedArray(size_t size, uint64_t seed, double scale = 1.0)
      : RepeatedArray(size, random_values<T>(std::min(size, longest_period), seed, scale)) {}
  explicit RepeatedArray(const std::vector<T>& values) : RepeatedArray(values.size(), values) {}
  /// `values` again and again.
  RepeatedArray(size_t size, std::vector<T> values) : device_(size), values_(std::move(values)) { restore(); }

  T* data() const { return device_.data(); }
  size_t size() const { return device_.size(); }
  /// Before any launch.
  T value(size_t i) const { return values_[i % values_.size()]; }
  auto operator[](size_t i) const {
    if constexpr (std::is_same_v<T, bf16>) {
      return to_float(value(i));
    } else {
      return value(i);
    }
  }
  /// What is on the device now.
  std::vector<T> read() const { return device_.read(); }

  void restore() {
    const size_t size = device_.size();
    device_.write(values_);
    for (size_t filled = values_.size(); filled < size;) {
      const size_t more = std::min(filled, size - filled);
      check(cudaMemcpy(data() + filled, data(), more * sizeof(T), cudaMemcpyDeviceToDevice), "cudaMemcpy");
      filled += more;
    }
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // a stream of one's own does not wait for these
  }

 private:
  DeviceArray<T> device_;
  std::vector<T> values_;
};

using RepeatedValues = RepeatedArray<bf16>;

}  // namespace photon::PHOTON_GPU
