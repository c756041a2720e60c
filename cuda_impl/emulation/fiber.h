// SPDX-License-Identifier: Apache-2.0
// Threads of a block as fibers: each has a stack of its own and runs until it hands over to another one. A
// switch saves what the x86-64 calling convention asks a function to preserve, but for the floating-point
// control words, which no fiber changes. AddressSanitizer is told of every switch.
#pragma once

#include <cstddef>

#include "cuda_impl/emulation/sanitizer.h"

namespace photon::emulation {

struct Fiber {
  void* stack_pointer = nullptr;
  const void* stack = nullptr;  ///< lowest byte
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;  ///< AddressSanitizer's
};

extern "C" void photon_emulated_switch(void** save_stack_pointer, void* stack_pointer);

/// A fiber on the pool's stack `index` that will run `body`, which must not return. Whatever ran on that
/// stack before is forgotten.
Fiber make_fiber(unsigned index, void (*body)());

/// Must be called when fibers were left in the middle of their work and nobody will switch to them again.
void abandon_fibers();

/// Leaves `from`, the fiber that runs, for `to`; returns when somebody switches back.
inline void switch_fiber(Fiber& from, Fiber& to) {
#ifdef PHOTON_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_bytes);
#endif
  photon_emulated_switch(&from.stack_pointer, to.stack_pointer);
#ifdef PHOTON_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

/// The first thing that a body does. If it was the host's thread that switched here, `host` gets the bounds
/// of its stack; else it is null.
inline void fiber_entered([[maybe_unused]] Fiber* host) {
#ifdef PHOTON_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(nullptr, host ? &host->stack : nullptr,
                                  host ? &host->stack_bytes : nullptr);
#endif
}

/// As switch_fiber, by a fiber that nobody will switch back to.
inline void leave_fiber(Fiber& from, Fiber& to) {
#ifdef PHOTON_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(nullptr, to.stack, to.stack_bytes);
#endif
  photon_emulated_switch(&from.stack_pointer, to.stack_pointer);
}

}  // namespace photon::emulation
