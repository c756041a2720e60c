// SPDX-License-Identifier: Apache-2.0
// All device memory of a run as one allocation, planned before it: the same layout code runs once to measure
// and once to place, so the plan cannot differ from what is used.
#pragma once

#include <array>
#include <cstdint>

#include "cuda_impl/device.h"
#ifndef PHOTON_CUDA
#include "cuda_impl/emulation/memory.h"
#endif

namespace photon::PHOTON_GPU {

#ifdef PHOTON_CUDA
constexpr int64_t guard_bytes = 0;
inline void lay_out_part(void*, int64_t, int64_t) {}
#else
/// Behind every part: a write past its end is found.
constexpr int64_t guard_bytes = 256;
/// What lay there before is gone.
inline void lay_out_part(void* p, int64_t bytes, int64_t whole) {
  emulation::device_memory().lay_out_part(p, static_cast<size_t>(bytes), static_cast<size_t>(whole));
}
#endif

class Arena {
 public:
  /// What memory is for, as the plan reports it.
  enum class Use { cache, local_cache, activations, workspace };

  /// Measures: take() hands out addresses that must not be used.
  Arena() = default;
  /// Places into `memory`, an allocation of at least as many bytes as were measured.
  explicit Arena(void* memory) : base_(static_cast<char*>(memory)) {}

  /// `count` elements, aligned to 256 bytes; null for none.
  template <class T>
  T* take(Use use, int64_t count) {
    if (count <= 0) return nullptr;
    const int64_t exact = count * static_cast<int64_t>(sizeof(T));
    const int64_t bytes = (exact + alignment - 1) / alignment * alignment;
    char* at = base_ + bytes_;
    if (base_ != reinterpret_cast<char*>(measuring)) lay_out_part(at, exact, bytes + guard_bytes);
    bytes_ += bytes + guard_bytes;
    used_[static_cast<size_t>(use)] += bytes;
    return reinterpret_cast<T*>(at);
  }

  int64_t bytes() const { return bytes_; }
  int64_t bytes(Use use) const { return used_[static_cast<size_t>(use)]; }

 private:
  static constexpr int64_t alignment = 256;
  /// Not null, so that what is there can be told from what is not
  static constexpr uintptr_t measuring = alignment;

  char* base_ = reinterpret_cast<char*>(measuring);
  int64_t bytes_ = 0;
  std::array<int64_t, 4> used_{};
};

/// Device memory of its own.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(int64_t bytes);
  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
};

/// Page-locked host memory, which the device copies to while both work.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(int64_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(PinnedBuffer&& other) noexcept;
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept;

  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

}  // namespace photon::PHOTON_GPU
