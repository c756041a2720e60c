// SPDX-License-Identifier: Apache-2.0
// The memory of this machine and of this process, in bytes.
#pragma once

#include <cstdint>

namespace photon::reference {

/// Physical memory, or the smaller limit of the control group that this process runs in.
int64_t usable_memory_bytes();

/// Resident set of this process, after the allocator has given back its free pages.
int64_t resident_bytes();

}  // namespace photon::reference
