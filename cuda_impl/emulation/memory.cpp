// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>

#include "cuda_impl/emulation/fault.h"
#include "cuda_impl/emulation/guard_zone.h"
#include "cuda_impl/emulation/sanitizer.h"

namespace photon::emulation {
namespace {

constexpr size_t guard = 256;

/// Bytes from the end of the data to the end of its block.
size_t tail(size_t bytes) {
  return (bytes + guard - 1) / guard * guard - bytes + guard;
}

/// Pages of an allocation, which it shares with nobody. Data begins one guard zone behind the first: aligned
/// to 256 bytes and no more.
size_t mapped_bytes(size_t bytes) {
  constexpr size_t page = 4096;
  return (guard + bytes + tail(bytes) + page - 1) / page * page;
}

}  // namespace

DeviceMemory& device_memory() {
  static DeviceMemory memory;
  return memory;
}

DeviceMemory::~DeviceMemory() {
  for (const auto& [data, allocation] : allocations_) give_back(data, allocation);
}

void* DeviceMemory::allocate(size_t bytes) {
  if (bytes > capacity_ || used_ > capacity_ - bytes) return nullptr;
  const size_t mapped = mapped_bytes(bytes);
  void* mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  std::memset(mapping, poison, mapped);
  char* data = static_cast<char*>(mapping) + guard;
  forbid(mapping, guard);
  forbid(data + bytes, tail(bytes));
  allocations_[data] = {bytes, {}};
  used_ += bytes;
  return data;
}

void DeviceMemory::give_back(char* data, const Allocation& allocation) {
  permit(data - guard, mapped_bytes(allocation.bytes));
  munmap(data - guard, mapped_bytes(allocation.bytes));
}

void DeviceMemory::protect(bool locked) {
  for (const auto& [data, allocation] : allocations_) {
    mprotect(data - guard, mapped_bytes(allocation.bytes), locked ? PROT_NONE : PROT_READ | PROT_WRITE);
  }
}

DeviceMemory::Release DeviceMemory::release(void* p) {
  const auto found = allocations_.find(static_cast<char*>(p));
  if (found == allocations_.end()) return Release::unknown;
  const bool intact = overrun(found->first, found->second).empty();
  give_back(found->first, found->second);
  used_ -= found->second.bytes;
  allocations_.erase(found);
  return intact ? Release::done : Release::overrun;
}

DeviceMemory::Allocations::const_iterator DeviceMemory::find(const void* p) const {
  auto after = allocations_.upper_bound(static_cast<char*>(const_cast<void*>(p)));
  return after == allocations_.begin() ? allocations_.end() : --after;
}

bool DeviceMemory::contains(const void* p, size_t bytes) const {
  const auto found = find(p);
  if (found == allocations_.end()) return false;
  const auto offset = static_cast<size_t>(static_cast<const char*>(p) - found->first);
  if (offset > found->second.bytes || bytes > found->second.bytes - offset) return false;
  const auto& zones = found->second.zones;
  const char* begin = static_cast<const char*>(p);
  const auto after = zones.lower_bound(const_cast<char*>(begin) + std::max(bytes, size_t{1}));
  return after == zones.begin() || std::prev(after)->first + std::prev(after)->second <= begin;
}

bool DeviceMemory::owns(const void* p) const {
  const auto* at = static_cast<const char*>(p);
  const auto found = find(p);
  if (found != allocations_.end() && at < found->first + found->second.bytes + tail(found->second.bytes)) {
    return true;
  }
  const auto next = allocations_.upper_bound(const_cast<char*>(at));
  return next != allocations_.end() && at >= next->first - guard;
}

std::string DeviceMemory::overrun(char* data, const Allocation& allocation) {
  std::string found;
  if constexpr (address_sanitizer) return found;
  const auto inspect = [&](char* zone, size_t bytes, const char* where) {
    const size_t at = first_written(zone, bytes);
    if (at == bytes) return;
    found = std::string(where) + ", at offset " + std::to_string(zone + at - data) + " of an allocation of " +
            std::to_string(allocation.bytes) + " bytes";
    std::memset(zone, poison, bytes);
  };
  inspect(data - guard, guard, "before the first byte");
  inspect(data + allocation.bytes, tail(allocation.bytes), "past the end");
  for (const auto& [zone, bytes] : allocation.zones) inspect(zone, bytes, "between two parts");
  return found;
}

std::string DeviceMemory::overruns() {
  std::string all;
  for (const auto& [data, allocation] : allocations_) {
    const std::string where = overrun(data, allocation);
    if (!where.empty()) all += (all.empty() ? "device memory: a write " : "; a write ") + where;
  }
  return all;
}

std::string DeviceMemory::describe(const void* p) const {
  const auto found = find(p);
  if (found == allocations_.end()) return "device memory";
  return "offset " + std::to_string(static_cast<const char*>(p) - found->first) + " of an allocation of " +
         std::to_string(found->second.bytes) + " bytes";
}

void DeviceMemory::lay_out_part(void* p, size_t bytes, size_t whole) {
  const auto found = find(p);
  auto* begin = static_cast<char*>(p);
  if (found == allocations_.end() || begin + whole > found->first + found->second.bytes) {
    fault("device memory: a part of " + std::to_string(whole) + " bytes outside every allocation");
  }
  auto& zones = allocations_.at(found->first).zones;
  for (auto zone = zones.begin(); zone != zones.end();) {
    const bool overlaps = zone->first < begin + whole && begin < zone->first + zone->second;
    if (overlaps) permit(zone->first, zone->second);
    zone = overlaps ? zones.erase(zone) : std::next(zone);
  }
  std::memset(begin, poison, whole);
  forbid(begin + bytes, whole - bytes);
  if (whole > bytes) zones[begin + bytes] = whole - bytes;
}

}  // namespace photon::emulation
