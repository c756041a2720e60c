// SPDX-License-Identifier: Apache-2.0
// An array on the device for cases and tests, filled from and read to host vectors.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "cuda_impl/device.h"
#include "cuda_impl/device/error.h"
#include "cuda_impl/host.h"

namespace photon::PHOTON_GPU {

template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  explicit DeviceArray(size_t size) : size_(size) {
    void* p = nullptr;
    check(cudaMalloc(&p, size * sizeof(T)), "cudaMalloc");
    data_ = static_cast<T*>(p);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) { write(values); }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  DeviceArray(DeviceArray&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr;
  }
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() const { return data_; }
  size_t size() const { return size_; }
  void write(const std::vector<T>& values) {
    check(cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
    settle();
  }
  std::vector<T> read() const {
    std::vector<T> out(size_);
    check(cudaMemcpy(out.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
    return out;
  }
  /// NaN in every float and bf16.
  void poison() {
    check(cudaMemset(data_, 0xff, size_ * sizeof(T)), "cudaMemset");
    settle();
  }

 private:
  /// Both may return before the device has the bytes, and a stream of one's own does not wait for them.
  static void settle() { check(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); }

  T* data_ = nullptr;
  size_t size_ = 0;
};

/// Standard normals of `seed`, times `scale`, rounded to T.
template <class T>
std::vector<T> random_values(size_t size, uint64_t seed, double scale = 1.0) {
  std::vector<T> out(size);
  const Philox random(seed);
  for (size_t i = 0; i < size; ++i) {
    const auto x = static_cast<float>(scale * random.normals(0, i / 2)[i % 2]);
    if constexpr (std::is_same_v<T, bf16>) {
      out[i] = to_bf16(x);
    } else {
      out[i] = static_cast<T>(x);
    }
  }
  return out;
}

template <class T>
std::vector<double> to_doubles(const std::vector<T>& values) {
  std::vector<double> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_same_v<T, bf16>) {
      out[i] = static_cast<double>(to_float(values[i]));
    } else {
      out[i] = static_cast<double>(values[i]);
    }
  }
  return out;
}

/// Values rounded to bf16 and back.
std::vector<double> rounded_to_bf16(const std::vector<float>& values);

}  // namespace photon::PHOTON_GPU
