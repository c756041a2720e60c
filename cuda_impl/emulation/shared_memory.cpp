// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/shared_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "cuda_impl/emulation/fault.h"
#include "cuda_impl/emulation/guard_zone.h"
#include "cuda_impl/emulation/sanitizer.h"

namespace photon::emulation {
namespace {

constexpr size_t guard = 256;
constexpr size_t last_guard = 4096;
constexpr size_t arena_bytes = most_shared_bytes + 64 * 1024;

size_t rounded_up(size_t x, size_t unit) {
  return (x + unit - 1) / unit * unit;
}

}  // namespace

void SharedMemory::Free::operator()(void* p) const {
  permit(p, arena_bytes);
  std::free(p);
}

SharedMemory::SharedMemory() : memory_(static_cast<char*>(std::aligned_alloc(1024, arena_bytes))) {
  if (memory_ == nullptr) throw std::bad_alloc();
}

SharedMemory& shared_memory() {
  static SharedMemory memory;
  return memory;
}

const SharedMemory::Variable& SharedMemory::add(size_t begin, size_t bytes,
                                                const std::source_location& where) {
  permit(memory_.get() + begin, bytes);
  return variables_.emplace_back(Variable{begin, bytes, where});
}

void SharedMemory::begin_launch(size_t dynamic_bytes) {
  const size_t used =
      variables_.empty() ? arena_bytes : variables_.back().begin + variables_.back().bytes + guard;
  permit(memory_.get(), used);
  std::memset(memory_.get(), poison, used);
  forbid(memory_.get(), used);
  variables_.clear();
  static_bytes_ = 0;
  // Aligned to 16 and no more, as on the device.
  add(guard + 16, dynamic_bytes, {});
}

void SharedMemory::begin_block() {
  for (const Variable& v : variables_) std::memset(memory_.get() + v.begin, poison, v.bytes);
}

void* SharedMemory::variable(size_t bytes, size_t alignment, const std::source_location& where) {
  for (size_t i = 1; i < variables_.size(); ++i) {
    if (same_place(variables_[i].where, where)) return memory_.get() + variables_[i].begin;
  }
  static_bytes_ += bytes;
  if (static_bytes_ > most_static_shared_bytes || static_bytes_ + variables_[0].bytes > most_shared_bytes) {
    fault("shared memory: " + std::to_string(static_bytes_) + " bytes of variables, this one at " +
          place(where) + ", and " + std::to_string(variables_[0].bytes) + " dynamic ones; a block has " +
          std::to_string(most_static_shared_bytes) + " for variables and " +
          std::to_string(most_shared_bytes) + " in all");
  }
  const Variable& last = variables_.back();
  const size_t begin = rounded_up(last.begin + last.bytes + guard, std::max(alignment, size_t{16}));
  if (begin + bytes + last_guard > arena_bytes) fault("too many shared variables at " + place(where));
  return memory_.get() + add(begin, bytes, where).begin;
}

void* SharedMemory::dynamic(size_t alignment) const {
  if (variables_.empty()) fault("dynamic_shared() outside a kernel");
  if (alignment > 16)
    fault("dynamic_shared() is aligned to 16 bytes, its type to " + std::to_string(alignment));
  return memory_.get() + variables_[0].begin;
}

bool SharedMemory::contains(const void* p, size_t bytes) const {
  const auto begin = reinterpret_cast<uintptr_t>(p) - reinterpret_cast<uintptr_t>(memory_.get());
  return std::any_of(variables_.begin(), variables_.end(), [&](const Variable& v) {
    return begin >= v.begin && begin <= v.begin + v.bytes && bytes <= v.begin + v.bytes - begin;
  });
}

std::string SharedMemory::name_of(const Variable& variable) const {
  if (&variable == variables_.data()) return "dynamic shared memory";
  return "the shared variable at " + place(variable.where);
}

void SharedMemory::check_guard_zones() {
  if constexpr (address_sanitizer) return;
  size_t begin = 0;
  for (size_t i = 0; i <= variables_.size(); ++i) {
    const bool last = i == variables_.size();
    const size_t end = last ? begin + last_guard : variables_[i].begin;
    const size_t at = begin + first_written(memory_.get() + begin, end - begin);
    if (at != end) {
      std::string what = "shared memory: a write outside every variable, ";
      if (i > 0) {
        what += std::to_string(at - begin) + " bytes past the end of " + name_of(variables_[i - 1]) + " (" +
                std::to_string(variables_[i - 1].bytes) + " bytes)";
      }
      if (i > 0 && !last) what += ", ";
      if (!last) what += std::to_string(end - at) + " bytes before " + name_of(variables_[i]);
      fault(what);
    }
    if (!last) begin = variables_[i].begin + variables_[i].bytes;
  }
}

}  // namespace photon::emulation
