// All device memory of a run as one allocation, planned before it: the same layout code runs once to measure
// and once to place, so the plan cannot differ from what is used.
#pragma once

#include <array>
#include <cstdint>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

class Arena {
 public:
  /// What memory is for, as the plan reports it.
  enum class Use { cache, local_cache, workspace };

  /// Measures: take() hands out addresses that must not be used.
  Arena() = default;
  /// Places into `memory`, an allocation of at least as many bytes as were measured.
  explicit Arena(void* memory) : base_(static_cast<char*>(memory)) {}

  /// `count` elements, aligned to 256 bytes; null for none.
  template <class T>
  T* take(Use use, int64_t count) {
    if (count <= 0) return nullptr;
    const int64_t bytes = (count * static_cast<int64_t>(sizeof(T)) + alignment - 1) / alignment * alignment;
    char* at = base_ + bytes_;
    bytes_ += bytes;
    used_[static_cast<size_t>(use)] += bytes;
    return reinterpret_cast<T*>(at);
  }

  int64_t bytes() const { return bytes_; }
  int64_t bytes(Use use) const { return used_[static_cast<size_t>(use)]; }

 private:
  static constexpr int64_t alignment = 256;
  static constexpr uintptr_t measuring =
      alignment;  ///< not null, so that what is there can be told from what is not

  char* base_ = reinterpret_cast<char*>(measuring);
  int64_t bytes_ = 0;
  std::array<int64_t, 3> used_{};
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
