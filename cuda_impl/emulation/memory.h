// SPDX-License-Identifier: Apache-2.0
// The emulated device's memory: allocations poisoned with 0xff (NaN in every float and bf16) between zones
// that nobody may touch, and a capacity that can be as small as a test wants.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace photon::emulation {

class DeviceMemory {
 public:
  static constexpr size_t default_capacity = size_t{4} << 30;

  DeviceMemory() = default;
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  size_t capacity() const { return capacity_; }
  size_t used() const { return used_; }
  void set_capacity(size_t bytes) { capacity_ = bytes; }

  /// Aligned to 256 bytes and no more; null if it does not fit.
  void* allocate(size_t bytes);
  enum class Release { done, unknown, overrun };
  /// Gives `p` back: it was an allocation or is unknown; overrun: the zones around it were written to.
  Release release(void* p);

  /// The bytes lie in one allocation and touch no zone in it.
  bool contains(const void* p, size_t bytes) const;
  /// `p` points into an allocation or the zones around it.
  bool owns(const void* p) const;
  /// "offset 12 of an allocation of 256 bytes"
  std::string describe(const void* p) const;
  /// Whether all allocations are out of reach: an access is a fault of the processor.
  void protect(bool locked);
  /// Writes to the zones around allocations and between parts, in words; poisons them again.
  std::string overruns();

  /// Divides an allocation: [p, p + bytes) becomes a part of its own, poisoned, and the rest up to p + whole
  /// a zone that nobody may touch, until another part is laid over them.
  void lay_out_part(void* p, size_t bytes, size_t whole);

 private:
  struct Allocation {
    size_t bytes;
    std::map<char*, size_t> zones;  ///< between its parts
  };
  using Allocations = std::map<char*, Allocation>;
  Allocations::const_iterator find(const void* p) const;
  /// Where a zone was written to, in words, and poisons it again; empty if none was.
  static std::string overrun(char* data, const Allocation& allocation);
  static void give_back(char* data, const Allocation& allocation);

  Allocations allocations_;
  size_t capacity_ = default_capacity;
  size_t used_ = 0;
};

DeviceMemory& device_memory();

}  // namespace photon::emulation
