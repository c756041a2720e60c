// SPDX-License-Identifier: Apache-2.0
// What memory, last-level cache and launches give at most: kernels that read, copy and do nothing, for the
// ceilings beside which every measurement stands (docs/numbers.md).
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// Reads `bytes` (a multiple of 16, 16-byte aligned) `passes` times. In each pass a block reads the share
/// that its neighbour read in the pass before, so that what comes from a cache comes from the last level's.
struct ReadMemory {
  const uint32_t* data;
  int64_t bytes;
  int passes;
  uint32_t* sums;  ///< (blocks): exclusive or of the words a block read, lest the reads be optimised away
};
void read_memory(Stream& stream, const ReadMemory& args, int blocks);

/// Copies `bytes` (a multiple of 16, both 16-byte aligned, no overlap).
struct CopyMemory {
  const uint32_t* from;
  uint32_t* to;
  int64_t bytes;
};
void copy_memory(Stream& stream, const CopyMemory& args, int blocks);

/// One block that does nothing: what is left is the launch.
void launch_nothing(Stream& stream);

}  // namespace photon::PHOTON_GPU
