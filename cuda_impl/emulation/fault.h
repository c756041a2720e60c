// SPDX-License-Identifier: Apache-2.0
// What emulation throws where a GPU would hang, fault or compute nonsense: the kernel, block, warp, lanes and
// lines, and the rule that was broken.
#pragma once

#include <cstdint>
#include <cstring>
#include <source_location>
#include <string>

#include "core/base/error.h"

namespace photon::emulation {

class EmulationError : public Error {
 public:
  using Error::Error;
};

/// "cuda_impl/kernels/rope.cu:41"
std::string place(const std::source_location& where);

/// The two are one place in the source (and one instance of a template).
inline bool same_place(const std::source_location& a, const std::source_location& b) {
  if (std::memcmp(&a, &b, sizeof(a)) == 0) return true;  // the usual case, and fast
  return a.line() == b.line() && a.column() == b.column() && a.file_name() == b.file_name() &&
         a.function_name() == b.function_name();
}

/// Throws EmulationError: `what`, behind the kernel, block, warp and lane that run at this moment, if any.
[[noreturn]] void fault(const std::string& what);

[[noreturn]] void misaligned(size_t bytes, const std::source_location& where);

/// Throws unless `p` is a multiple of `bytes`: a GPU faults at a misaligned access.
inline void check_aligned(const void* p, size_t bytes,
                          const std::source_location& where = std::source_location::current()) {
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0) misaligned(bytes, where);
}

}  // namespace photon::emulation

namespace photon::emulated {

using emulation::check_aligned;
using emulation::EmulationError;

}  // namespace photon::emulated
