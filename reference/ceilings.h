// SPDX-License-Identifier: Apache-2.0
// The CPU's ceilings: what its memory, last-level cache and matrix products reach at most, measured on random
// data in this process with the threads and the BLAS that the model uses (docs/numbers.md).
#pragma once

#include <cstdint>

#include "core/backend/backend.h"

namespace photon::reference {

/// Caches of one CPU as the operating system reports them, in bytes; 0 where it does not say.
struct CacheSizes {
  int64_t second_level = 0;  ///< of one core
  int64_t last_level = 0;    ///< of one instance; on a virtual machine it may be shared with others
};
CacheSizes cache_sizes();

/// The best of several interleaved rounds of each. Memory is read and copied over an array of four times the
/// last-level cache, at most an eighth of usable memory and at least 64 MiB. The last-level cache's bandwidth
/// is that of arrays too large for the second level; `cache_bytes` is the largest of them that reads nearer
/// to that than to memory, for on a shared machine the reported size is not all ours. bfloat16 is computed in
/// float32 on the CPU and has that rate. Takes one to four seconds.
Ceilings measure_ceilings(DType dtype);

}  // namespace photon::reference
