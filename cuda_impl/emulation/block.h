// SPDX-License-Identifier: Apache-2.0
// The threads of one block, and where they meet. Blocks run one after another in a shuffled order; the lanes
// of a block run in an order drawn from the seed, each until it meets others: a warp's lanes at a collective,
// a block's threads at a barrier. Whatever the order, a correct kernel computes the same.
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <vector>

#include "cuda_impl/emulation/fault.h"
#include "cuda_impl/emulation/fiber.h"
#include "cuda_impl/emulation/keywords.h"

namespace photon::emulated {

inline uint3 threadIdx{};
inline uint3 blockIdx{};
inline dim3 blockDim;
inline dim3 gridDim;

}  // namespace photon::emulated

namespace photon::emulation {

using emulated::dim3;
using emulated::uint3;

/// A copy_async under way.
struct AsyncCopy {
  void* shared;
  const void* global;
  uint32_t bytes;
  bool valid;      ///< else zeros are written
  uint32_t group;  ///< of this thread's, counted from 0
};

/// What a lane that waits says about itself.
struct Meeting {
  const char* name = nullptr;  ///< "__syncthreads"
  unsigned mask = 0;           ///< of the lanes that are to meet; 0: the whole block
  void (*apply)(void* const* arguments, unsigned mask) = nullptr;
  void* argument = nullptr;
  std::source_location where;
};

struct Lane {
  Fiber fiber;
  uint3 thread{};
  unsigned warp = 0;
  unsigned index = 0;                ///< in its warp
  const Meeting* meeting = nullptr;  ///< while it waits
  std::vector<AsyncCopy> copies;
  uint32_t open_group = 0;  ///< of copies started and not committed
  bool waited = false;      ///< for the kernel before
};

/// The lane that runs; null outside kernels.
inline Lane* running_lane = nullptr;

/// Waits until all lanes of `mask` have called it with the same mask from the same line. The last one then
/// calls apply(arguments of all lanes, mask).
void meet_warp(const Meeting& meeting);

/// Waits for all threads of the block; returns for how many of them `predicate` holds.
unsigned meet_block(bool predicate, const char* name, const std::source_location& where);

/// What the running lane says before its first access to device memory (early_access.h).
void wait_for_kernel_before();

/// Ends the launch with `error`, from the running lane.
[[noreturn]] void abandon_lane(std::exception_ptr error);

/// A kernel with its arguments and extents.
struct KernelRun {
  const void* function = nullptr;
  void (*invoke)(const void* call) = nullptr;  ///< runs one thread of `call`
  const void* call = nullptr;
  dim3 grid;
  dim3 block;
  size_t dynamic_shared_bytes = 0;
  bool overlaps_previous = false;  ///< programmatic dependent launch: every thread has to wait
  bool locks_memory = false;       ///< until the first block's threads have (early_access.h)
};

/// Runs all blocks. Throws what a kernel's thread threw, or EmulationError.
void run_kernel(const KernelRun& run, uint64_t seed);

/// "rms_norm<4>, block (3, 0, 0), warp 1, lane 7", empty outside kernels.
std::string running_place();

}  // namespace photon::emulation
