// SPDX-License-Identifier: Apache-2.0
// A block's shared memory: variables found by the place that names them, poisoned with 0xff (NaN in every
// float and bf16) before each block, with zones between them that nobody may touch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

namespace photon::emulation {

constexpr size_t most_static_shared_bytes = size_t{48} * 1024;
constexpr size_t most_shared_bytes = size_t{227} * 1024;

class SharedMemory {
 public:
  SharedMemory();

  /// Forgets the variables of the kernel before and makes the dynamic one.
  void begin_launch(size_t dynamic_bytes);
  /// Poisons everything.
  void begin_block();
  /// Throws EmulationError if a zone around a variable was written to.
  void check_guard_zones();

  void* variable(size_t bytes, size_t alignment, const std::source_location& where);
  void* dynamic(size_t alignment) const;
  /// The bytes lie in one variable.
  bool contains(const void* p, size_t bytes) const;

 private:
  struct Variable {
    size_t begin;
    size_t bytes;
    std::source_location where;
  };
  const Variable& add(size_t begin, size_t bytes, const std::source_location& where);
  std::string name_of(const Variable& variable) const;

  struct Free {
    void operator()(void* p) const;
  };
  std::unique_ptr<char, Free> memory_;
  std::vector<Variable> variables_;  ///< in the order of their addresses; the dynamic one first
  size_t static_bytes_ = 0;
};

SharedMemory& shared_memory();

/// The variable of the block that the calling line names.
template <class T>
T& shared_variable(std::source_location where = std::source_location::current()) {
  return *static_cast<T*>(shared_memory().variable(sizeof(T), alignof(T), where));
}

/// A variable of the block, uninitialised.
#define PHOTON_SHARED(Type, name) Type& name = ::photon::emulation::shared_variable<Type>()

}  // namespace photon::emulation

namespace photon::emulated {

/// The shared memory whose size the launch names, 16-byte aligned.
template <class T>
T* dynamic_shared() {
  return static_cast<T*>(emulation::shared_memory().dynamic(alignof(T)));
}

}  // namespace photon::emulated
